"""Judge a delivered body once it is durable, and book a failed delivery, which counts as a loss from then on (I12).

If the process dies before the verdict is booked, the body is in the ledger all the same: a recovery judges the
deliveries of open purchases again, and whoever loads the body books what it finds.
"""

from __future__ import annotations

from payer.context import PayerContext
from payer.ledger import Conflict, Ledger
from payer.values.clock import Clock
from payer.values.crashpoints import crash_point
from payer.values.errors import LedgerUnavailable, Unbooked
from payer.values.events import DeliveryFailed
from payer.values.purchase import Data, Purchase


def judge_body(context: PayerContext, purchase: Purchase) -> Purchase:
    """Judge the ledger's copy of a purchase's body. Returns the purchase as it is after that.

    Raises Unbooked when the ledger can't be read or written: nothing more may be signed without the verdict.
    """
    if context.check_body is None or purchase.data is not Data.DELIVERED or purchase.failure or purchase.loss_accepted:
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
