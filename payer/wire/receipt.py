"""Read what a seller claims about a settlement: `PAYMENT-RESPONSE` (x402 v2 section 5.3), in v1 `X-PAYMENT-RESPONSE`.

Evidence, never proof: sellers send `success: false` for payments that moved money, and the other way round.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from payer.wire.addresses import is_hash
from payer.wire.headers import decode_header, single_header
from payer.wire.strict_json import Malformed, optional_text, shown


@dataclass(frozen=True, slots=True)
class Receipt:
    """A seller's claim. A `malformed` one claims nothing, and `reason` says why it can't be read."""

    success: bool
    transaction: str | None = None
    payer: str | None = None
    network: str | None = None
    reason: str | None = None
    malformed: bool = False


def parse_receipt(headers: Mapping[str, str]) -> Receipt | None:
    """The receipt of an answer of any status, None without one. Never raises: a broken one is `malformed`."""
    try:
        text = single_header(headers, "payment-response")
        text = single_header(headers, "x-payment-response") if text is None else text
        return None if text is None else _receipt(decode_header("PAYMENT-RESPONSE", text))
    except Malformed as why:
        return Receipt(success=False, reason=str(why)[:200], malformed=True)


def _receipt(document: dict[str, Any]) -> Receipt:
    success = document.get("success")
    if type(success) is not bool:
        raise Malformed(f"success is {shown(success)}, not true or false")
    transaction = optional_text(document, "transaction") or None
    if transaction is not None and not is_hash(transaction):
        raise Malformed(f"transaction is {shown(transaction)}, not a hash")
    reason = optional_text(document, "errorReason")
    return Receipt(
        success=success,
        transaction=transaction.lower() if transaction else None,
        payer=optional_text(document, "payer"),
        network=optional_text(document, "network"),
        reason=shown(reason, 200).strip("'\"") if reason else None,
    )
