"""Turn an answer to a payment into events: evidence, never a verdict on the money. Pure functions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from payer.http.exchange import Answer
from payer.ledger.append import Body
from payer.ledger.database.rows import digest
from payer.values.events import Answered, Delivered, Event
from payer.values.purchase import Purchase
from payer.wire.seller_word import Receipt, parse_receipt, seller_word
from payer.wire.strict_json import shown


@dataclass(frozen=True, slots=True)
class Reading:
    """The events of one answer, and the body to keep with them."""

    events: tuple[Event, ...]
    body: Body | None

    @property
    def delivers(self) -> bool:
        return any(isinstance(event, Delivered) for event in self.events)


def read_answer(purchase: Purchase, answer: Answer, at: datetime, note: str = "") -> Reading:
    """Read an answer to a paid request as events.

    Any 2xx is the delivery, whatever is in it: it is kept and never bought again (I4); `judge_body` says whether it
    can be used. Everything else, including a 402 or a 404 after settling or a 503 with a successful receipt, is
    evidence that frees and books nothing.
    """
    receipt = parse_receipt(answer.headers)
    content_type = answer.headers.get("content-type", "")
    body = Body(answer.body, content_type) if answer.body else None
    mismatch = "" if receipt is None else _receipt_mismatch(receipt, purchase)
    answered = Answered(
        at=at,
        status=answer.status,
        elapsed_ms=round(answer.elapsed * 1000),
        note="; ".join(filter(None, (_said(answer, receipt), note or answer.note or mismatch))),
        receipt_tx=receipt.transaction if receipt is not None and receipt.success and not mismatch else None,
        body_sha256=digest(answer.body) if answer.body else None,
    )
    if not 200 <= answer.status < 300:
        return Reading((answered,), body)
    delivered = Delivered(
        at=at,
        status=answer.status,
        content_type=content_type,
        sha256=digest(answer.body),
        size=len(answer.body),
        received_at=at,
    )
    return Reading((answered, delivered), Body(answer.body, content_type))


def _said(answer: Answer, receipt: Receipt | None) -> str:
    """The seller's word where it did not deliver; of a delivery, only what its receipt says against it."""
    if 200 <= answer.status < 300:
        return "" if receipt is None else receipt.reason or ""
    return seller_word(answer.status, answer.headers, answer.body, receipt)


def _receipt_mismatch(receipt: Receipt, purchase: Purchase) -> str:
    """Say why a receipt is about another payment, or return "". A field that it leaves out contradicts nothing."""
    if receipt.payer is not None and receipt.payer.lower() != purchase.payer.lower():
        return f"the receipt names another payer: {shown(receipt.payer)}"
    if receipt.network is not None and receipt.network not in _networks(purchase):
        return f"the receipt names another network: {shown(receipt.network)}"
    return ""


def _networks(purchase: Purchase) -> set[str]:
    """The chain's CAIP-2 name, and the name in the seller's own terms (x402 v1 has its own names)."""
    names = {purchase.asset.network}
    if purchase.terms is not None:
        names.add(str(json.loads(purchase.terms.accepted).get("network", "")))
    return names


def without_answer(reason: str, at: datetime) -> Answered:
    """The event of a request that was sent and got no readable answer: a timeout, a reset, half a body."""
    return Answered(at=at, status=None, elapsed_ms=0, note=reason)
