"""Writing an answer down, so that no body that arrived is lost (I4): in the ledger, or beside it until it can be."""

from __future__ import annotations

from payer.buy import respond as answers
from payer.http.outcome import Answer
from payer.ledger import Conflict
from payer.services import Services
from payer.values.errors import LedgerUnavailable, Unbooked
from payer.values.types import Data, Purchase

_BACKOFF = (0.25, 0.5, 1.0, 2.0)


async def keep(services: Services, purchase: Purchase, answer: Answer, note: str = "") -> Purchase:
    """The purchase with the answer in its books. A ledger that can't be written is tried again, then a body goes to
    the spool. Raises Unbooked."""
    for pause in _BACKOFF:
        try:
            return _write_down(services, purchase, answer, note)
        except LedgerUnavailable:
            await services.clock.sleep(pause)
    try:
        return _write_down(services, purchase, answer, note)
    except LedgerUnavailable as broken:
        what = broken.what
    raise Unbooked(f"{what}; {_spooled(services, purchase, answer)}")


def _write_down(services: Services, purchase: Purchase, answer: Answer, note: str) -> Purchase:
    reading = answers.read(purchase, answer, services.clock.now(), note)
    try:
        lease = services.lease(purchase.order.seller)
        return services.ledger.append(purchase, *reading.events, body=reading.body, lease=lease)
    except Conflict:
        return _keep_beside(services, purchase, answer)


def _keep_beside(services: Services, purchase: Purchase, answer: Answer) -> Purchase:
    """Another process wrote first. A body in hand is still kept, unless the other one already has it."""
    while True:
        latest = services.ledger.get(purchase.purchase_id)
        assert latest is not None, "the ledger never forgets a purchase"
        reading = answers.read(latest, answer, services.clock.now())
        if latest.data is Data.DELIVERED or not reading.delivers:
            return latest
        try:
            lease = services.lease(purchase.order.seller)
            return services.ledger.append(latest, *reading.events, body=reading.body, lease=lease)
        except Conflict:
            continue


def _spooled(services: Services, purchase: Purchase, answer: Answer) -> str:
    """In words, what became of the body."""
    if not answers.read(purchase, answer, services.clock.now()).delivers:
        return "the seller had answered without the data"
    if services.spool is None:
        return "the body that came is lost"
    try:
        path = services.spool.put(purchase.purchase_id, answer, services.clock.now())
    except OSError as error:
        return f"the body that came is lost, as {error.filename} can't be written either: {error.strerror}"
    return f"the body that came is kept in {path}"


def take_in(services: Services) -> set[str]:
    """Book the bodies that lie in the spool; whose they are. One of another ledger is left there."""
    booked = set()
    for spooled in services.spool.waiting() if services.spool is not None else ():
        purchase = services.ledger.get(spooled.purchase_id)
        while purchase is not None and purchase.data is Data.ABSENT:
            reading = answers.read(purchase, spooled.answer, spooled.at)
            try:
                purchase = services.ledger.append(purchase, *reading.events, body=reading.body)
                booked.add(purchase.purchase_id)
            except Conflict:
                purchase = services.ledger.get(spooled.purchase_id)
        if purchase is not None:
            spooled.path.unlink(missing_ok=True)
    return booked
