"""The breaker: what a seller took, or may have taken, and did not deliver, against the loss that policy bears.

Counted are purchases that are undelivered, and those that were answered, or not, without a delivery and are still in
doubt. Payments on their way for the first time are no loss yet: so many calls at once may go beyond the limit.
"""

from __future__ import annotations

from payer.ledger import rows
from payer.ledger.queries import IN_DOUBT, LOSSES
from payer.ledger.statements import Transaction
from payer.values.errors import OverBudget
from payer.values.money import Amount, Asset


def check(books: Transaction, seller: str, asset: Asset, limit: int) -> None:
    """Raise OverBudget when a seller holds as much as `limit` without having delivered; 0 is no limit."""
    if limit <= 0:
        return
    where = {"seller": seller, "asset": f"{asset.network}/{asset.address}"}
    lost = sum(row[0] for row in books.rows(LOSSES, **where))
    doubtful = (rows.purchase(doc) for (doc,) in books.rows(IN_DOUBT, **where))
    risked = lost + sum(p.committed for p in doubtful if p.at_risk)
    if risked < limit:
        return
    took = "took" if risked == lost else "took, or may have taken,"
    raise OverBudget(
        f"{seller} {took} {Amount(risked, asset)} and did not deliver "
        f"(sellers.{seller}.loss_limit is {Amount(limit, asset).decimal})",
        advice="run `tollbook recover`; settle what is undelivered with the seller or accept-loss each, then run again",
    )
