"""The exactly-once x402 buyer. It knows no Prefect, no DuckDB and no particular seller.

This module is its public face: `Payer`, `PayerContext`, `Order`, `Request`, `Run`, `PaidTransport` and the errors. They
are loaded on first use, so that importing one module of the payer stays cheap.

docs/architecture.md lists its files in the order a purchase takes them, and its rooms from the ground up. Each room
says in its own `__init__` what it is for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from payer.context import PayerContext
    from payer.paid_transport.transport import PaidTransport, PaidTransportError
    from payer.payer import Payer
    from payer.values.errors import (
        BackupFailed,
        BadCopy,
        ChainUnreachable,
        ConflictingRequest,
        DamagedFile,
        EndedVoid,
        Frozen,
        Interrupted,
        LedgerDamaged,
        LedgerReplaced,
        LedgerTooNew,
        LedgerUnavailable,
        Misconfigured,
        NotALedger,
        NotOffered,
        OverBudget,
        PaidUndelivered,
        PayerError,
        PolicyMissing,
        QuoteUnacceptable,
        Refused,
        SellerUnreachable,
        SignerRefused,
        SignerUnreachable,
        Unbooked,
        Unforeseen,
        Unreachable,
        Unresolved,
    )
    from payer.values.request import Order, Request, Run

__all__ = ["Order", "PaidTransport", "PaidTransportError", "Payer", "PayerContext", "PayerError", "Request", "Run"]
__all__ += ["BadCopy", "Misconfigured", "PolicyMissing"]
__all__ += ["ConflictingRequest", "Frozen", "NotOffered", "OverBudget", "QuoteUnacceptable", "Refused", "SignerRefused"]
__all__ += ["ChainUnreachable", "SellerUnreachable", "SignerUnreachable", "Unreachable"]
__all__ += ["EndedVoid", "Interrupted", "PaidUndelivered", "Unforeseen", "Unresolved"]
__all__ += ["BackupFailed", "DamagedFile", "LedgerDamaged", "LedgerReplaced", "LedgerTooNew", "LedgerUnavailable"]
__all__ += ["NotALedger", "Unbooked"]

_MODULES = {
    "Payer": "payer.payer",
    "PayerContext": "payer.context",
    "PaidTransport": "payer.paid_transport.transport",
    "PaidTransportError": "payer.paid_transport.transport",
    "Order": "payer.values.request",
    "Request": "payer.values.request",
    "Run": "payer.values.request",
}
"""Modules of the public names; all others are errors."""


def __getattr__(name: str) -> object:
    """Load a public name on first use (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_MODULES.get(name, "payer.values.errors")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
