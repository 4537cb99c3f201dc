"""The wallet's balance against the bills that the coming day's schedules will bring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from payer.values.errors import PayerError, Refused
from payer.values.money import Amount, Asset
from sources import registry
from tasks.health.finding import Check
from tasks.ops.forecast import runs_ahead
from tasks.reference.catalogue import resolve_keys
from tasks.request.schedules import Schedule
from tasks.workspace.workspace import Workspace

BALANCE = "balance"


@dataclass(frozen=True, slots=True)
class ExpectedBill:
    """A coming run and what it is to cost, in atomic units of its asset: at the last quoted prices, and at most."""

    at: datetime
    flow: str
    asset: Asset
    amount_atomic: int


async def expected_bills(ws: Workspace, schedules: Sequence[Schedule]) -> list[ExpectedBill]:
    """Forecast the bills of the coming day, in the order of time. A flow whose keys can't be known now is left out."""
    chosen, keys = [], []
    for schedule in schedules:
        if not schedule.active or schedule.flow not in registry.feeds():
            continue
        try:
            ws.asset(registry.dataset(registry.feeds()[schedule.flow].datasets[0]).seller)
            keys.append(await resolve_keys(ws, schedule.tokens))
        except PayerError:
            continue
        chosen.append(schedule)
    bills: list[ExpectedBill] = []
    for schedule, named in zip(chosen, keys, strict=True):
        try:
            async for at, _, run in runs_ahead(ws, [schedule], [named], days=1):
                bills.append(ExpectedBill(at, run.flow, run.asset, run.at_most_atomic))
        except PayerError:
            continue
    return sorted(bills, key=lambda bill: bill.at)


def grade_balance(asset: Asset, held: int, bills: Sequence[ExpectedBill]) -> Check:
    """Fail a balance below the next run's bill, and warn of one below a day's bills. Pure."""
    ours = [bill for bill in bills if bill.asset == asset and bill.amount_atomic]
    if not ours:
        return Check(BALANCE, True, f"{Amount(held, asset)}, and no schedule is to buy anything in the coming day")
    coming, day = ours[0], sum(bill.amount_atomic for bill in ours)
    if held < coming.amount_atomic:
        when = f"{coming.flow} at {coming.at:%Y-%m-%d %H:%M} UTC"
        return Check(
            BALANCE,
            False,
            f"{Amount(held, asset)}, and the next run ({when}) is to cost {Amount(coming.amount_atomic, asset)}",
            "top the wallet up: it can't pay the next run",
            Refused.exit_code,
        )
    if held < day:
        return Check(
            BALANCE,
            True,
            f"{Amount(held, asset)}, and the coming day is to cost {Amount(day, asset)}",
            "top the wallet up: it holds less than a day's expected bills",
        )
    return Check(
        BALANCE, True, f"{Amount(held, asset)}, enough for {held // day} days at the coming day's {Amount(day, asset)}"
    )
