"""Record an answer, in the ledger or else in the spool, so that no body that arrived is lost (I4)."""

from __future__ import annotations

from payer.buy.lease import new_lease
from payer.buy.respond import read_answer
from payer.context import PayerContext
from payer.http.outcome import Answer
from payer.ledger import Conflict
from payer.values.errors import LedgerUnavailable, Unbooked
from payer.values.purchase import Data, Purchase

_BACKOFF_SECONDS = (0.25, 0.5, 1.0, 2.0)


async def record_answer(context: PayerContext, purchase: Purchase, answer: Answer, note: str = "") -> Purchase:
    """Append the answer to the purchase and return the result.

    While the ledger can't be written, it is tried a few times more. Then a body goes to the spool, and Unbooked is
    raised.
    """
    for seconds in _BACKOFF_SECONDS:
        try:
            return _append_answer(context, purchase, answer, note)
        except LedgerUnavailable:
            await context.clock.sleep(seconds)
    try:
        return _append_answer(context, purchase, answer, note)
    except LedgerUnavailable as broken:
        what = broken.what
    raise Unbooked(f"{what}; {_spool_answer(context, purchase, answer)}")


def _append_answer(context: PayerContext, purchase: Purchase, answer: Answer, note: str) -> Purchase:
    reading = read_answer(purchase, answer, context.clock.now(), note)
    try:
        lease = new_lease(context, purchase.order.seller)
        return context.ledger.append(purchase, *reading.events, body=reading.body, lease=lease)
    except Conflict:
        return _append_to_latest(context, purchase, answer)


def _append_to_latest(context: PayerContext, purchase: Purchase, answer: Answer) -> Purchase:
    """Keep a body although another process wrote first, unless that one has a body already."""
    while True:
        latest = context.ledger.get(purchase.purchase_id)
        assert latest is not None, "the ledger never forgets a purchase"
        reading = read_answer(latest, answer, context.clock.now())
        if latest.data is Data.DELIVERED or not reading.delivers:
            return latest
        try:
            lease = new_lease(context, purchase.order.seller)
            return context.ledger.append(latest, *reading.events, body=reading.body, lease=lease)
        except Conflict:
            continue


def _spool_answer(context: PayerContext, purchase: Purchase, answer: Answer) -> str:
    """Put a body into the spool and say, for the error's text, what became of it."""
    if not read_answer(purchase, answer, context.clock.now()).delivers:
        return "the seller had answered without the data"
    if context.spool is None:
        return "the body that came is lost"
    try:
        path = context.spool.put(purchase.purchase_id, answer, context.clock.now())
    except OSError as error:
        return f"the body that came is lost, as {error.filename} can't be written either: {error.strerror}"
    return f"the body that came is kept in {path}"


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
