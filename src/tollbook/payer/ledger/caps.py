"""What counts against which cap, and the check, inside the transaction that reserves (I3).

Each purchase counts in four buckets fixed at its intent: its run, its flow's day, the day and the month (UTC). A
bucket holds reserved + exposed + spent; every event moves it by the difference it makes, in the event's own commit.
"""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from tollbook.payer.errors import OverBudget
from tollbook.payer.ledger.schema import committed
from tollbook.payer.money import Asset, decimal_text
from tollbook.payer.rules import Caps
from tollbook.payer.types import Run

Bucket = tuple[str, str]


def buckets(run: Run) -> dict[str, Bucket]:
    """Cap name -> (scope, bucket). The day is that of the run's start, so one run never straddles two."""
    day = run.started_at.strftime("%Y-%m-%d")
    return {
        "per_run": ("run", run.run_id),
        "per_flow_day": ("flow_day", f"{run.flow}/{day}"),
        "per_day": ("day", day),
        "per_month": ("month", day[:7]),
    }


def move(connection: sa.Connection, asset: Asset, moves: Mapping[Bucket, int]) -> dict[Bucket, int]:
    """Add to each bucket and return what it holds now. Buckets are locked in one order, so writers can't deadlock."""
    now: dict[Bucket, int] = {}
    for scope, bucket in sorted(moves):
        row = (committed.c.asset == asset.network + "/" + asset.address) & (committed.c.scope == scope)
        row &= committed.c.bucket == bucket
        held = connection.execute(_locked(connection, row)).scalar()
        if held is None:
            _insert_zero(connection, asset, scope, bucket)
            held = connection.execute(_locked(connection, row)).scalar_one()
        total = held + moves[scope, bucket]
        connection.execute(sa.update(committed).where(row).values(atoms=total))
        now[scope, bucket] = total
    return now


def _locked(connection: sa.Connection, row: sa.ColumnElement[bool]) -> sa.Select[tuple[int]]:
    query = sa.select(committed.c.atoms).where(row)
    return query.with_for_update() if connection.dialect.name == "postgresql" else query


def _insert_zero(connection: sa.Connection, asset: Asset, scope: str, bucket: str) -> None:
    values = {"asset": asset.network + "/" + asset.address, "scope": scope, "bucket": bucket, "atoms": 0}
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as pg_insert

        connection.execute(pg_insert(committed).values(values).on_conflict_do_nothing())
    else:
        connection.execute(sa.insert(committed).values(values))


def check(caps: Caps, run: Run, asset: Asset, totals: Mapping[Bucket, int], asked: int) -> None:
    """Raise OverBudget when a bucket now holds more than its cap; the transaction that moved it then rolls back."""
    for name, bucket in buckets(run).items():
        cap = getattr(caps, name)
        if name == "per_run" and run.budget is not None and run.budget < cap:
            name, cap = "--max-cost", run.budget
        if totals.get(bucket, 0) > cap:
            raise OverBudget(_message(name, cap, totals[bucket] - asked, asked, asset))


def check_call(caps: Caps, asset: Asset, amount: int, dataset: str) -> None:
    """Raise OverBudget when one call costs more than policy allows for a call."""
    if amount > caps.per_call:
        raise OverBudget(f"{dataset}: " + _message("per_call", caps.per_call, 0, amount, asset))


def _message(name: str, cap: int, before: int, asked: int, asset: Asset) -> str:
    def text(atoms: int) -> str:
        return f"{decimal_text(atoms, asset.decimals)} {asset.symbol}"

    where = name if name.startswith("--") else f"caps.{asset.symbol}.{name}"
    return f"{where} is {text(cap)}: {text(before)} are committed and {text(asked)} more were asked"
