"""Count what is committed against each cap, and check it, inside the transaction that reserves (I3).

Each purchase counts in six buckets fixed at its intent: its run, its flow and day, the day and the month (UTC), and its
seller's day and month. A bucket holds reserved + exposed + spent, in atomic units; every event changes it by its
difference, in its own commit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from payer.ledger.database.queries import COMMITTED, PUT_COMMITTED
from payer.ledger.database.rows import asset_key
from payer.ledger.database.statements import Transaction
from payer.policy.price_drift import PriceLimit
from payer.policy.rules import Caps, SellerCaps
from payer.values.errors import OverBudget
from payer.values.money import Amount, Asset
from payer.values.request import Run

Bucket = tuple[str, str]

NOTHING_ELSEWHERE: Mapping[Bucket, int] = {}

_RUN = "ask for fewer days or tokens in one run, or raise"
ADVICE = {"--max-cost": f"{_RUN} it", "per_run": f"{_RUN} per_run in the policy file: waiting does not help"}
"""Advice for the caps that no waiting opens again."""


@dataclass(frozen=True, slots=True)
class Limit:
    """One cap that holds for a seller's calls in a run: the policy key that sets it, its bucket, its atomic units."""

    key: str
    bucket: Bucket
    amount: int


def limits(caps: Caps, run: Run, asset: Asset, seller: str, budget_name: str = "--max-cost") -> list[Limit]:
    """Return every cap of a run's calls to a seller, in the order in which they are checked.

    A run's own budget takes the place of per_run where it is lower.
    """
    found = []
    own = caps.sellers.get(seller, SellerCaps())
    of_seller = {"seller_day": own.per_day, "seller_month": own.per_month}
    for name, bucket in buckets(run, seller).items():
        key = f"sellers.{seller}.per_{bucket[0].removeprefix('seller_')}" if name in of_seller else ""
        amount: int | None = of_seller[name] if name in of_seller else getattr(caps, name)
        if amount is None:
            continue
        if name == "per_run" and run.budget is not None and run.budget < amount:
            key, amount = budget_name, run.budget
        found.append(Limit(key or f"caps.{asset.symbol}.{name}", bucket, amount))
    return found


def buckets(run: Run, seller: str) -> dict[str, Bucket]:
    """The (scope, bucket) of each cap by its name. A run counts in the day it started in, however long it takes."""
    day = run.started_at.strftime("%Y-%m-%d")
    return {
        "per_run": ("run", run.run_id),
        "per_flow_day": ("flow_day", f"{run.flow}/{day}"),
        "per_day": ("day", day),
        "per_month": ("month", day[:7]),
        "seller_day": ("seller_day", f"{seller}/{day}"),
        "seller_month": ("seller_month", f"{seller}/{day[:7]}"),
    }


def move(txn: Transaction, asset: Asset, run: Run, seller: str, amount: int) -> dict[Bucket, int]:
    """Add atomic units to each bucket of a run's calls to a seller; what each holds now.

    The caller has called `serialize_caps`.
    """
    key, counted = asset_key(asset), buckets(run, seller).values()
    before = {(scope, bucket): held for scope, bucket, held in txn.rows(COMMITTED, asset=key, **dict(counted))}
    totals = {bucket: before.get(bucket, 0) + amount for bucket in counted}
    txn.run_many(
        PUT_COMMITTED,
        [{"asset": key, "scope": scope, "bucket": bucket, "atoms": held} for (scope, bucket), held in totals.items()],
    )
    return totals


def check(
    caps: Caps,
    run: Run,
    asset: Asset,
    seller: str,
    totals: Mapping[Bucket, int],
    asked: int,
    elsewhere: Mapping[Bucket, int] = NOTHING_ELSEWHERE,
) -> None:
    """Raise OverBudget, and so roll back, when a bucket with what the wallet paid elsewhere holds more than its cap."""
    for limit in limits(caps, run, asset, seller):
        other = elsewhere.get(limit.bucket, 0)
        held = totals.get(limit.bucket, 0) + other
        if held > limit.amount:
            what = _message(limit.key, limit.amount, held - asked, asked, asset) + elsewhere_text(other, asset)
            raise OverBudget(what, advice=ADVICE.get(limit.key.rsplit(".", 1)[-1]))


def check_call(caps: Caps, asset: Asset, amount: int, dataset: str) -> None:
    """Raise OverBudget when one call costs more than policy allows for a call."""
    if amount > caps.per_call:
        key = f"caps.{asset.symbol}.per_call"
        raise OverBudget(f"{dataset}: " + _message(key, caps.per_call, 0, amount, asset))


def check_drift(asset: Asset, amount: int, limit: PriceLimit, dataset: str) -> None:
    """Raise OverBudget when a price is further above those accepted before than policy allows."""
    if amount > limit.highest:
        raise OverBudget(
            f"{dataset}: {Amount(amount, asset)} is more than {limit.key} allows over {limit.text}",
            advice=f"plan again; {limit.advice}",
        )


def elsewhere_text(amount: int, asset: Asset) -> str:
    """Say how much of what is committed the wallet paid elsewhere; "" for nothing."""
    if not amount:
        return ""
    return (
        f" ({Amount(amount, asset)} of it this wallet paid elsewhere: transfers on the chain that this ledger does not "
        "have; payment.count_chain_spend)"
    )


def _message(key: str, cap: int, before: int, asked: int, asset: Asset) -> str:
    committed, more = Amount(before, asset), Amount(asked, asset)
    return f"{key} is {Amount(cap, asset)}: {committed} are committed and {more} more were asked"
