"""Stop paying a seller that kept too much without delivering (`sellers.NAME.loss_limit` in the policy file).

Counted are purchases that are undelivered, and those in doubt whose request was answered, or failed, without a
delivery. Payments on their way for the first time are no loss yet, so many calls at once may go beyond the limit.
"""

from __future__ import annotations

from payer.ledger.database import rows
from payer.ledger.database.queries import IN_DOUBT, LOSSES
from payer.ledger.database.rows import asset_key
from payer.ledger.database.statements import Transaction
from payer.values.errors import OverBudget
from payer.values.money import Asset, decimal_text


def check(txn: Transaction, seller: str, asset: Asset, limit: int) -> None:
    """Raise OverBudget when a seller kept `limit` atomic units or more without delivering; 0 is no limit."""
    if limit <= 0:
        return
    where = {"seller": seller, "asset": asset_key(asset)}
    lost = sum(row[0] for row in txn.rows(LOSSES, **where))
    in_doubt = (rows.purchase(doc) for (doc,) in txn.rows(IN_DOUBT, **where))
    at_risk = lost + sum(p.committed for p in in_doubt if p.at_risk)
    if at_risk < limit:
        return
    took = "took" if at_risk == lost else "took, or may have taken,"
    raise OverBudget(
        f"{seller} {took} {decimal_text(at_risk, asset.decimals)} {asset.symbol} and did not deliver "
        f"(sellers.{seller}.loss_limit is {decimal_text(limit, asset.decimals)})",
        advice="run `tollbook recover`; settle what is undelivered with the seller or accept-loss each, then run again",
    )
