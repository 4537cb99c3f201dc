"""What an answer to a payment means for the purchase: events as evidence, never a verdict on the money. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from payer.http.outcome import Answer
from payer.ledger.append import Body
from payer.ledger.database.rows import digest
from payer.values.events import Answered, Delivered, Event
from payer.values.types import Money, Purchase
from payer.wire.receipt import Receipt, parse_receipt
from payer.wire.strict_json import shown

NOTHING_MATCHED = 404


@dataclass(frozen=True, slots=True)
class Reading:
    """Events of one answer and the body to keep with them."""

    events: tuple[Event, ...]
    body: Body | None

    @property
    def delivers(self) -> bool:
        """Whether the body is what was paid for."""
        return any(isinstance(event, Delivered) for event in self.events)


def read(purchase: Purchase, answer: Answer, at: datetime, note: str = "") -> Reading:
    """Any 2xx to a paid request is the delivery, whatever is in it: it is kept and never bought again (I4).

    A 404 to a claim is one too: the chain shows that the seller was paid for saying "nothing matches". All else,
    a 402 after settling or a 503 with a successful receipt included, is evidence that frees and books nothing.
    """
    receipt = parse_receipt(answer.headers)
    content_type = answer.headers.get("content-type", "")
    body = Body(answer.body, content_type) if answer.body else None
    foreign = "" if receipt is None else _of_another(receipt, purchase)
    answered = Answered(
        at=at,
        status=answer.status,
        elapsed_ms=round(answer.elapsed * 1000),
        note=note or answer.note or foreign or (receipt.reason or "" if receipt is not None else ""),
        receipt_tx=receipt.transaction if receipt is not None and receipt.success and not foreign else None,
        body_sha256=digest(answer.body) if answer.body else None,
    )
    paid_for_nothing = answer.status == NOTHING_MATCHED and purchase.money is Money.SPENT
    if not 200 <= answer.status < 300 and not paid_for_nothing:
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


def _of_another(receipt: Receipt, purchase: Purchase) -> str:
    """Why a receipt is about another payment than this one, or nothing. What it leaves out is no contradiction."""
    if receipt.payer is not None and receipt.payer.lower() != purchase.payer.lower():
        return f"the receipt names another payer: {shown(receipt.payer)}"
    if receipt.network is not None and receipt.network not in _networks(purchase):
        return f"the receipt names another network: {shown(receipt.network)}"
    return ""


def _networks(purchase: Purchase) -> set[str]:
    """The chain's names: CAIP-2's, and the one that the seller's own terms used (v1 has names of its own)."""
    names = {purchase.asset.network}
    if purchase.terms is not None:
        names.add(str(json.loads(purchase.terms.accepted).get("network", "")))
    return names


def no_answer(reason: str, elapsed: float, at: datetime) -> Answered:
    """A timeout, a reset, half a body: sent, and nothing to read."""
    return Answered(at=at, status=None, elapsed_ms=round(elapsed * 1000), note=reason)
