"""The payer's public face: which names it has, and that importing it loads no heavy library."""

from __future__ import annotations

import subprocess
import sys

import pytest

import payer
from payer import payer as payer_module
from payer.values import errors, request

PUBLIC = {
    *("Payer", "PayerContext", "Order", "Request", "Run"),
    *("PayerError", "Misconfigured", "Refused", "OverBudget", "Frozen", "QuoteUnacceptable", "ConflictingRequest"),
    *("Unreachable", "SellerUnreachable", "ChainUnreachable", "Unresolved", "Unforeseen", "PaidUndelivered"),
    *("PolicyMissing", "LedgerUnavailable", "Unbooked", "BackupFailed", "LedgerDamaged", "NotALedger", "LedgerTooNew"),
    *("BadCopy", "DamagedFile", "NotOffered"),
    *("EndedVoid", "Interrupted", "LedgerReplaced", "SignerRefused", "SignerUnreachable"),
    *("PaidTransport", "PaidTransportError"),
}
HEAVY = ("httpx", "sqlalchemy", "eth_account", "coincurve", "Crypto", "msgspec", "payer.context")


def loaded_by(program: str) -> str:
    """The heavy modules that a fresh interpreter has loaded after a program."""
    program += f"; import sys; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_public_names_are_these() -> None:
    assert set(payer.__all__) == PUBLIC
    assert set(dir(payer)) >= PUBLIC


def test_every_error_of_the_tree_is_public() -> None:
    tree = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    assert tree <= PUBLIC


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_a_public_name_is_the_class_of_that_name(name: str) -> None:
    value = getattr(payer, name)
    assert isinstance(value, type)
    assert value.__name__ == name


def test_public_names_are_the_ones_that_the_rooms_use() -> None:
    assert payer.Payer is payer_module.Payer
    assert payer.Order is request.Order
    assert payer.PayerError is errors.PayerError


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Services'"):
        _ = payer.Services


@pytest.mark.parametrize(
    "program",
    ["import payer", "import payer.values.errors", "from payer import Order, PayerError", "import payer.values.money"],
)
def test_importing_the_face_loads_nothing_heavy(program: str) -> None:
    assert loaded_by(program) == "[]"
