"""Count what is committed against each cap, and check it, inside the transaction that reserves (I3).

Each purchase counts in four buckets fixed at its intent: its run, its flow and day, the day and the month (UTC). A
bucket holds reserved + exposed + spent, in atomic units; every event changes it by its difference, in its own commit.
"""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from payer.ledger.database import schema
from payer.ledger.database.engine import read_connection
from payer.ledger.database.queries import COMMITTED, PUT_COMMITTED
from payer.ledger.database.rows import asset_key
from payer.ledger.database.statements import Transaction
from payer.policy.rules import Caps
from payer.values.errors import OverBudget
from payer.values.money import Asset, decimal_text
from payer.values.request import Run

Bucket = tuple[str, str]

_RUN = "ask for fewer days or tokens in one run, or raise"
ADVICE = {"--max-cost": f"{_RUN} it", "per_run": f"{_RUN} per_run in the policy file: waiting does not help"}
"""Advice for the caps that no waiting opens again."""


def buckets(run: Run) -> dict[str, Bucket]:
    """The (scope, bucket) of each cap by its name. A run counts in the day it started in, however long it takes."""
    day = run.started_at.strftime("%Y-%m-%d")
    return {
        "per_run": ("run", run.run_id),
        "per_flow_day": ("flow_day", f"{run.flow}/{day}"),
        "per_day": ("day", day),
        "per_month": ("month", day[:7]),
    }


def committed(engine: sa.Engine, asset: Asset) -> dict[Bucket, int]:
    """Atomic units that every bucket of an asset holds, by (scope, bucket)."""
    table = schema.committed
    query = sa.select(table.c.scope, table.c.bucket, table.c.atoms).where(table.c.asset == asset_key(asset))
    with read_connection(engine) as connection:
        return {(scope, bucket): amount for scope, bucket, amount in connection.execute(query)}


def move(txn: Transaction, asset: Asset, run: Run, amount: int) -> dict[Bucket, int]:
    """Add atomic units to each bucket of a run; what each holds now. The caller has called `serialize_caps`."""
    key, counted = asset_key(asset), buckets(run).values()
    before = {(scope, bucket): held for scope, bucket, held in txn.rows(COMMITTED, asset=key, **dict(counted))}
    totals = {bucket: before.get(bucket, 0) + amount for bucket in counted}
    txn.run_many(
        PUT_COMMITTED,
        [{"asset": key, "scope": scope, "bucket": bucket, "atoms": held} for (scope, bucket), held in totals.items()],
    )
    return totals


def check(caps: Caps, run: Run, asset: Asset, totals: Mapping[Bucket, int], asked: int) -> None:
    """Raise OverBudget when a bucket holds more than its cap; the transaction that changed it then rolls back."""
    for name, bucket in buckets(run).items():
        cap = getattr(caps, name)
        if name == "per_run" and run.budget is not None and run.budget < cap:
            name, cap = "--max-cost", run.budget
        if totals.get(bucket, 0) > cap:
            raise OverBudget(_message(name, cap, totals[bucket] - asked, asked, asset), advice=ADVICE.get(name))


def check_call(caps: Caps, asset: Asset, amount: int, dataset: str) -> None:
    """Raise OverBudget when one call costs more than policy allows for a call."""
    if amount > caps.per_call:
        raise OverBudget(f"{dataset}: " + _message("per_call", caps.per_call, 0, amount, asset))


def check_drift(caps: Caps, asset: Asset, amount: int, measure: int, dataset: str) -> None:
    """Raise OverBudget when a price is further above `measure`, the last one accepted, than policy allows."""
    if amount > caps.highest_after(measure):
        last, asked = (f"{decimal_text(atomic, asset.decimals)} {asset.symbol}" for atomic in (measure, amount))
        cap = f"caps.{asset.symbol}.price_drift"
        raise OverBudget(
            f"{dataset}: {asked} is more than {cap} allows over the last price accepted, {last}",
            advice=f"plan again; raise {cap} if the rise is right",
        )


def _message(name: str, cap: int, before: int, asked: int, asset: Asset) -> str:
    def text(atomic: int) -> str:
        return f"{decimal_text(atomic, asset.decimals)} {asset.symbol}"

    where = name if name.startswith("--") else f"caps.{asset.symbol}.{name}"
    return f"{where} is {text(cap)}: {text(before)} are committed and {text(asked)} more were asked"
