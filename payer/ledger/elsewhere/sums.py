"""Sum what the wallet paid elsewhere in the periods of the caps, in the transaction that checks them (I3).

A transfer counts as far as no purchase of this ledger counts it already: one over a purchase's nonce counts by what it
moved beyond the purchase's own amount, any other counts whole.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from payer.ledger.caps import Bucket, buckets
from payer.ledger.database.queries import PAID_ON_CHAIN, PAYEE
from payer.ledger.database.rows import asset_key
from payer.ledger.database.statements import Transaction
from payer.policy.rules import Caps, SellerCaps
from payer.values.money import Asset
from payer.values.request import Run


@dataclass(frozen=True, slots=True)
class Counted:
    """One transfer and the atomic units of it that only the chain counts."""

    at: datetime
    pay_to: str
    nonce: str | None
    amount: int


def paid_elsewhere(txn: Transaction, asset: Asset, wallet: str, month: datetime) -> list[Counted]:
    """Return what the wallet paid elsewhere in the UTC month of a time."""
    first = month.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    after = (first + timedelta(days=32)).replace(day=1)
    found = txn.rows(PAID_ON_CHAIN, wallet=wallet, asset=asset_key(asset), first=first, after=after)
    return [
        Counted(at, pay_to, nonce, value - (held or 0))
        for at, pay_to, nonce, value, held in found
        if value > (held or 0)
    ]


def elsewhere(txn: Transaction, asset: Asset, wallet: str, run: Run, seller: str, caps: Caps) -> dict[Bucket, int]:
    """Return the atomic units paid elsewhere by bucket of a run's calls to a seller: its day and month, and the
    seller's, of which the chain shows the payees. Runs and flows have none: no transfer names one."""
    if not caps.counts_elsewhere:
        return {}
    found = paid_elsewhere(txn, asset, wallet, run.started_at)
    if not found:
        return {}
    today = [each for each in found if each.at.date() == run.started_at.date()]
    payees = _payees(txn, asset, seller, caps)
    places = buckets(run, seller)
    return {
        places["per_day"]: _sum(today),
        places["per_month"]: _sum(found),
        places["seller_day"]: _sum(today, payees),
        places["seller_month"]: _sum(found, payees),
    }


def _payees(txn: Transaction, asset: Asset, seller: str, caps: Caps) -> set[str]:
    """The addresses that a seller is known to be paid at: policy's, or the one recorded at first use."""
    listed = caps.sellers.get(seller, SellerCaps()).payees
    pinned = None if listed else txn.scalar(PAYEE, seller=seller, asset=asset_key(asset))
    return {address.lower() for address in (*listed, *([pinned] if pinned else ()))}


def _sum(found: Collection[Counted], payees: Collection[str] | None = None) -> int:
    return sum(each.amount for each in found if payees is None or each.pay_to.lower() in payees)
