"""Stop paying a seller that kept too much without delivering (`sellers.NAME.loss_limit` in the policy file).

Counted are purchases that are undelivered, those whose body can't be used, and those in doubt whose request was
answered, or failed, without a delivery. Payments on their way for the first time are no loss yet, so many calls at
once may go beyond the limit.
"""

from __future__ import annotations

from payer.ledger.database import rows
from payer.ledger.database.queries import FAILURES, IN_DOUBT, LOSSES
from payer.ledger.database.rows import asset_key
from payer.ledger.database.statements import Transaction
from payer.values.errors import OverBudget
from payer.values.money import Amount, Asset


def check(txn: Transaction, seller: str, asset: Asset, limit: int) -> None:
    """Raise OverBudget when a seller kept `limit` atomic units or more for nothing; at 0, when it kept anything."""
    where = {"seller": seller, "asset": asset_key(asset)}
    undelivered = sum(row[0] for row in txn.rows(LOSSES, **where))
    failed = sum(row[0] for row in txn.rows(FAILURES, **where))
    in_doubt = (rows.purchase(doc) for (doc,) in txn.rows(IN_DOUBT, **where))
    at_risk = undelivered + failed + sum(p.committed for p in in_doubt if p.at_risk)
    if at_risk < max(limit, 1):
        return
    took = "took" if at_risk == undelivered else "took, or may have taken,"
    what = "did not deliver" if not failed else "delivered nothing that can be used for it"
    raise OverBudget(
        f"{seller} {took} {Amount(at_risk, asset)} and {what} "
        f"(sellers.{seller}.loss_limit is {Amount(limit, asset).decimal})",
        advice="run `tollbook recover`; settle what `tollbook status` lists as lost with the seller, or accept-loss "
        "each; then run again",
    )
