"""What counts against which cap, and the check, inside the transaction that reserves (I3).

Each purchase counts in four buckets fixed at its intent: its run, its flow's day, the day and the month (UTC). A
bucket holds reserved + exposed + spent; every event moves it by the difference it makes, in the event's own commit.
"""

from __future__ import annotations

from collections.abc import Mapping

from payer.ledger.queries import COMMITTED, PUT_COMMITTED
from payer.ledger.statements import Transaction
from payer.policy.rules import Caps
from payer.values.errors import OverBudget
from payer.values.money import Asset, decimal_text
from payer.values.request import Run

Bucket = tuple[str, str]

_RUN = "ask for fewer days or tokens in one run, or raise"
ADVICE = {"--max-cost": f"{_RUN} it", "per_run": f"{_RUN} per_run in the policy file: waiting does not help"}
"""Where waiting for the cap's period to pass is no way out."""


def buckets(run: Run) -> dict[str, Bucket]:
    """Cap name -> (scope, bucket). The day is that of the run's start, so one run never straddles two."""
    day = run.started_at.strftime("%Y-%m-%d")
    return {
        "per_run": ("run", run.run_id),
        "per_flow_day": ("flow_day", f"{run.flow}/{day}"),
        "per_day": ("day", day),
        "per_month": ("month", day[:7]),
    }


def move(books: Transaction, asset: Asset, run: Run, atoms: int) -> dict[Bucket, int]:
    """Add to each bucket of a run and return what it holds now. The caller has taken its turn."""
    asset_key, counted = f"{asset.network}/{asset.address}", buckets(run).values()
    held = {(scope, bucket): had for scope, bucket, had in books.rows(COMMITTED, asset=asset_key, **dict(counted))}
    now = {key: held.get(key, 0) + atoms for key in counted}
    books.run_many(
        PUT_COMMITTED,
        [
            {"asset": asset_key, "scope": scope, "bucket": bucket, "atoms": total}
            for (scope, bucket), total in now.items()
        ],
    )
    return now


def check(caps: Caps, run: Run, asset: Asset, totals: Mapping[Bucket, int], asked: int) -> None:
    """Raise OverBudget when a bucket now holds more than its cap; the transaction that moved it then rolls back."""
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
    """Raise OverBudget when a price is further above the last one accepted than policy allows."""
    if amount > caps.highest_after(measure):
        last, asked = (f"{decimal_text(atoms, asset.decimals)} {asset.symbol}" for atoms in (measure, amount))
        cap = f"caps.{asset.symbol}.price_drift"
        raise OverBudget(
            f"{dataset}: {asked} is more than {cap} allows over the last price accepted, {last}",
            advice=f"plan again; raise {cap} if the rise is right",
        )


def _message(name: str, cap: int, before: int, asked: int, asset: Asset) -> str:
    def text(atoms: int) -> str:
        return f"{decimal_text(atoms, asset.decimals)} {asset.symbol}"

    where = name if name.startswith("--") else f"caps.{asset.symbol}.{name}"
    return f"{where} is {text(cap)}: {text(before)} are committed and {text(asked)} more were asked"
