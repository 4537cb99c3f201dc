"""Stop paying a seller that kept too much without delivering (`sellers.NAME.loss_limit` in the policy file).

Counted are purchases that are undelivered, those whose body can't be used, and those in doubt whose request was
answered, or failed, without a delivery. Payments on their way for the first time are no loss yet, so many calls at
once may go beyond the limit. Not counted are those whose answer nobody here waited for: a process that dies, or is
stopped at once, while a healthy seller answers must not lock its user out (they stay undelivered, and count against the
caps).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from payer.ledger.database import rows
from payer.ledger.database.queries import EVENTS, FAILURES, IN_DOUBT, LOSSES
from payer.ledger.database.rows import asset_key
from payer.ledger.database.statements import Transaction
from payer.values.errors import OverBudget
from payer.values.events import Answered, Delivered, Event, Sent, Unsent
from payer.values.money import Amount, Asset


def check(txn: Transaction, seller: str, asset: Asset, limit: int) -> None:
    """Raise OverBudget when a seller kept `limit` atomic units or more for nothing; at 0, when it kept anything."""
    where = {"seller": seller, "asset": asset_key(asset)}
    undelivered: dict[str, int] = dict(txn.rows(LOSSES, **where))
    failed = sum(row[0] for row in txn.rows(FAILURES, **where))
    in_doubt = (rows.purchase(doc) for (doc,) in txn.rows(IN_DOUBT, **where))
    doubts = {p.purchase_id: p.committed for p in in_doubt if p.at_risk}
    threshold = max(limit, 1)
    if failed + sum(undelivered.values()) + sum(doubts.values()) < threshold:
        return
    lost, doubt = (_by_the_seller(txn, amounts) for amounts in (undelivered, doubts))
    at_risk = failed + lost + doubt
    if at_risk < threshold:
        return
    took = "took" if at_risk == lost else "took, or may have taken,"
    what = "did not deliver" if not failed else "delivered nothing that can be used for it"
    raise OverBudget(
        f"{seller} {took} {Amount(at_risk, asset)} and {what} "
        f"(sellers.{seller}.loss_limit is {Amount(limit, asset).decimal})",
        advice="run `tollbook recover`; settle what `tollbook status` lists as lost with the seller, or accept-loss "
        "each; then run again",
    )


def was_left_unheard(events: Iterable[Event]) -> bool:
    """True if a payment was presented, and again later with nothing booked in between, not even a timeout: the process
    that presented it ended before its answer."""
    waiting = False
    for event in events:
        match event:
            case Sent():
                if waiting:
                    return True
                waiting = True
            case Answered() | Delivered() | Unsent():
                waiting = False
    return False


def _by_the_seller(txn: Transaction, amounts: Mapping[str, int]) -> int:
    """Sum the amounts, by purchase id, of those whose answer was waited for. Read only once a limit is in reach."""
    events = {each: (rows.event(kind, doc) for kind, doc in txn.rows(EVENTS, purchase_id=each)) for each in amounts}
    return sum(amount for each, amount in amounts.items() if not was_left_unheard(events[each]))
