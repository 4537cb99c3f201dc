"""Record an answer to a payment, as events that are evidence and never a verdict on the money; then judge its body.

It is written to the ledger or else to the spool, so that no body that arrived is lost (I4). A body that can't be used
is a failed delivery, and counts as a loss from then on (I12). If the process dies before that is booked, the body is in
the ledger all the same: a recovery judges the deliveries of open purchases again, and whoever loads the body books what
it finds.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from payer.buy.lease import new_lease
from payer.context import PayerContext
from payer.http.exchange import Answer, NoAnswer
from payer.ledger import Conflict, Ledger
from payer.ledger.append import Body
from payer.ledger.database.rows import digest
from payer.values.clock import Clock
from payer.values.crashpoints import crash_point
from payer.values.errors import LedgerUnavailable, Unbooked
from payer.values.events import Answered, Delivered, DeliveryFailed, Event
from payer.values.purchase import Data, Purchase
from payer.wire.seller_word import Receipt, parse_receipt, seller_word
from payer.wire.strict_json import shown

_BACKOFF_SECONDS = (0.25, 0.5, 1.0, 2.0)

_SPOOL_AFTER_SECONDS = 2.0
"""A body that the ledger has not taken by then is kept in the spool as well, whatever becomes of this process."""

_PATIENCE_SECONDS = 150.0
"""The ledger is not asked again so long after the answer came; one call waits for its lock for 30 s by itself."""


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
    delivers = 200 <= answer.status < 300
    answered = _evidence(purchase, answer, at, note or answer.note, delivers=delivers)
    content_type = answer.headers.get("content-type", "")
    if not delivers:
        return Reading((answered,), Body(answer.body, content_type) if answer.body else None)
    delivered = Delivered(
        at=at,
        status=answer.status,
        content_type=content_type,
        sha256=digest(answer.body),
        size=len(answer.body),
        received_at=at,
    )
    return Reading((answered, delivered), Body(answer.body, content_type))


def read_failure(purchase: Purchase, failed: NoAnswer, at: datetime) -> Reading:
    """Read what came instead of a whole answer: nothing, or one that broke off.

    Its status, its receipt and the start of its body are evidence like those of any answer. Not even a 2xx is a
    delivery then: the rest is still owed, and the same payment asks for it again.
    """
    if failed.begun is None:
        return Reading((without_answer(failed.reason, at),), None)
    answered = _evidence(purchase, failed.begun, at, failed.reason, delivers=False)
    start = failed.begun.body
    body = Body(start, failed.begun.headers.get("content-type", "")) if start else None
    return Reading((replace(answered, broke_off=True),), body)


def _evidence(purchase: Purchase, answer: Answer, at: datetime, note: str, *, delivers: bool) -> Answered:
    receipt = parse_receipt(answer.headers)
    mismatch = "" if receipt is None else _receipt_mismatch(receipt, purchase)
    return Answered(
        at=at,
        status=answer.status,
        elapsed_ms=round(answer.elapsed * 1000),
        note="; ".join(filter(None, (_said(answer, receipt, delivers=delivers), note, mismatch))),
        receipt_tx=receipt.transaction if receipt is not None and receipt.success and not mismatch else None,
        body_sha256=digest(answer.body) if answer.body else None,
    )


def _said(answer: Answer, receipt: Receipt | None, *, delivers: bool) -> str:
    """The seller's word where it did not deliver; of a delivery, only what its receipt says against it."""
    if delivers:
        return "" if receipt is None else receipt.reason or ""
    return seller_word(answer.status, answer.headers, answer.body, receipt)


def _receipt_mismatch(receipt: Receipt, purchase: Purchase) -> str:
    """Say why a receipt is about another payment, or return "". A field that it leaves out contradicts nothing."""
    if receipt.payer is not None and receipt.payer.lower() != purchase.payer.lower():
        return f"the receipt names another payer: {shown(receipt.payer)}"
    accepted = {} if purchase.terms is None else json.loads(purchase.terms.accepted)  # x402 v1 has names of its own
    if receipt.network not in (None, purchase.asset.network, accepted.get("network")):
        return f"the receipt names another network: {shown(receipt.network)}"
    return ""


def without_answer(reason: str, at: datetime) -> Answered:
    """The event of a request that was sent and got not even a status: a timeout, a reset."""
    return Answered(at=at, status=None, elapsed_ms=0, note=reason)


async def record_answer(context: PayerContext, purchase: Purchase, answer: Answer, note: str = "") -> Purchase:
    """Append the answer to the purchase and return the result.

    While the ledger waits for a lock, the body lies in the spool too. While it can't be written, it is tried a few
    times more; then Unbooked is raised, and the spool keeps the body for a recovery. So it does when the wait is
    cancelled.
    """
    arrived, loop = _Arrived(context, purchase, answer), asyncio.get_running_loop()
    until = loop.time() + _PATIENCE_SECONDS
    for seconds in (*_BACKOFF_SECONDS, None):
        try:
            return await arrived.book(note)
        except LedgerUnavailable as broken:
            what = broken.what
        if seconds is None or loop.time() >= until:
            break
        await arrived.pause(seconds)
    raise Unbooked(f"{what}; {await context.ledger.beside(arrived.spool)}")


class _Arrived:
    """An answer between its socket and the ledger."""

    def __init__(self, context: PayerContext, purchase: Purchase, answer: Answer) -> None:
        self._context = context
        self._purchase = purchase
        self._answer = answer
        self._at = context.clock.now()
        self._spooled: Path | None = None

    async def book(self, note: str) -> Purchase:
        """Append the answer. Raises LedgerUnavailable."""
        ledger = self._context.ledger
        booking = ledger.begin(_append_answer, self._context, self._purchase, self._answer, self._at, note)
        try:
            if not await booking.ends_within(_SPOOL_AFTER_SECONDS):
                await ledger.beside(self.spool)
            booked = await booking.outcome()
        except asyncio.CancelledError:
            self.spool()
            if await booking.give_up():
                self._unspool()
            raise
        self._unspool()
        return booked

    def _unspool(self) -> None:
        if self._spooled is not None:
            self._spooled.unlink(missing_ok=True)

    async def pause(self, seconds: float) -> None:
        try:
            await self._context.clock.sleep(seconds)
        except asyncio.CancelledError:
            self.spool()
            raise

    def spool(self) -> str:
        """Put a body into the spool and say, for the error's text, what became of it."""
        if not read_answer(self._purchase, self._answer, self._at).delivers:
            return "the seller had answered without the data"
        if self._context.spool is None:
            return "the body that came is lost"
        try:
            self._spooled = self._context.spool.put(self._purchase.purchase_id, self._answer, self._at)
            crash_point("spooled")
        except OSError as error:
            return f"the body that came is lost, as {error.filename} can't be written either: {error.strerror}"
        return f"the body that came is kept in {self._spooled}"


def _append_answer(context: PayerContext, purchase: Purchase, answer: Answer, at: datetime, note: str) -> Purchase:
    reading = read_answer(purchase, answer, at, note)
    try:
        lease = new_lease(context, purchase.order.seller)
        return context.ledger.append(purchase, *reading.events, body=reading.body, lease=lease)
    except Conflict:
        return _append_to_latest(context, purchase, answer)


def _append_to_latest(context: PayerContext, purchase: Purchase, answer: Answer) -> Purchase:
    """Keep a body although another process wrote first, unless that one has a body already."""
    while True:
        latest = context.ledger.again(purchase)
        reading = read_answer(latest, answer, context.clock.now())
        if latest.data is Data.DELIVERED or not reading.delivers:
            return latest
        try:
            lease = new_lease(context, purchase.order.seller)
            return context.ledger.append(latest, *reading.events, body=reading.body, lease=lease)
        except Conflict:
            continue


def book_spooled(context: PayerContext) -> set[str]:
    """Append the spool's bodies to the ledger and return the ids of their purchases.

    A body whose purchase is not in this ledger is left in the spool.
    """
    booked = set()
    for spooled in context.spool.waiting() if context.spool is not None else ():
        purchase = context.ledger.get(spooled.purchase_id)
        while purchase is not None and purchase.data is Data.ABSENT:
            reading = read_answer(purchase, spooled.answer, spooled.at)
            try:
                purchase = context.ledger.append(purchase, *reading.events, body=reading.body)
                booked.add(purchase.purchase_id)
            except Conflict:
                purchase = context.ledger.get(spooled.purchase_id)
        if purchase is not None:
            spooled.path.unlink(missing_ok=True)
    return booked


async def record_failure(context: PayerContext, purchase: Purchase, failed: NoAnswer) -> Purchase:
    """Append what came instead of a whole answer, and return the result."""
    return await context.ledger.in_thread(_append_failure, context, purchase, failed)


def _append_failure(context: PayerContext, purchase: Purchase, failed: NoAnswer) -> Purchase:
    reading = read_failure(purchase, failed, context.clock.now())
    crash_point("broke_off")
    lease = new_lease(context, purchase.order.seller)
    return context.ledger.append(purchase, *reading.events, body=reading.body, lease=lease)


def is_unjudged(context: PayerContext, purchase: Purchase) -> bool:
    """True if a body has been delivered that `judge_body` would look at."""
    delivered = purchase.data is Data.DELIVERED and not purchase.failure and not purchase.loss_accepted
    return delivered and context.check_body is not None


def judge_body(context: PayerContext, purchase: Purchase) -> Purchase:
    """Judge the ledger's copy of a purchase's body. Returns the purchase as it is after that.

    Raises Unbooked when the ledger can't be read or written: nothing more may be signed without the verdict.
    """
    if context.check_body is None or not is_unjudged(context, purchase):
        return purchase
    try:
        delivery = context.ledger.delivery(purchase.purchase_id)
        failure = "" if delivery is None or delivery.damaged else context.check_body(delivery)
        return book_failure(context.ledger, context.clock, purchase, failure) if failure else purchase
    except LedgerUnavailable as broken:
        what = broken.what
    raise Unbooked(f"{what}; the body that came for {purchase.purchase_id} is kept in it, and is not judged yet")


def book_failure(ledger: Ledger, clock: Clock, purchase: Purchase, reason: str) -> Purchase:
    """Append that a delivered body can't be used; once, whoever else writes to the purchase."""
    crash_point("judged")
    while purchase.data is Data.DELIVERED and not purchase.failure and not purchase.loss_accepted:
        try:
            return ledger.append(purchase, DeliveryFailed(at=clock.now(), reason=reason), lease=purchase.lease)
        except Conflict:
            purchase = ledger.again(purchase)
    return purchase
