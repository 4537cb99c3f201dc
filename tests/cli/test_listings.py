"""A listing without dates: its past is bought by paging, with the bill first, and late runs buy it once."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from flows.ingest import ingest
from tasks.operator.prices import paging_bills
from tasks.request.build import request_fresh
from tasks.workspace.run import new_run
from tasks.workspace.workspace import Workspace
from tests.cli.conftest import Command
from tests.conftest import begin_clear_of_the_hour
from tests.sources.buyer import AT

if TYPE_CHECKING:
    from sandbox.world import Buyer, World

HOURLY = "hourly-trading-signals"


def test_the_past_of_a_listing_is_bought_by_paging_with_the_bill_first(world: World, tollbook: Command) -> None:
    """Five days and the hours of today are two pages, or three; what is held is not read again."""
    begin_clear_of_the_hour(30)
    first = f"{world.clock.now() - timedelta(days=5):%Y-%m-%d}"
    command = ("backfill", HOURLY, "--from", first, "--tokens", "3375", "--json")
    [bill] = tollbook(*command, "--dry-run").document["flows"]
    assert (bill["calls"] in (2, 3), bill["amount"], bill["at_most"]) == (True, f"{0.034 * bill['calls']:g}", "50")
    bought = tollbook(*command, "--yes")
    assert (bought.code, bought.document["calls_paid"]) == (0, bill["calls"]), bought.out
    assert bought.document["rows_new"] >= 5 * 24
    [again] = tollbook(*command, "--dry-run").document["flows"]
    assert (again["calls"], again["missing_cells"]) == (0, 0)
    assert "page by page" in tollbook(*command[:-1], "--dry-run").out


def test_late_runs_buy_one_listing_and_count_what_it_saved_once(world: World, buyer: Buyer) -> None:
    """Three runs of the last hours, fired together after an outage; then each of them again."""

    async def runs() -> list[int]:
        paid = []
        async with Workspace.open(buyer.env) as ws:
            for late in (2, 1, 0, 2, 1, 0):
                request = request_fresh(ws, HOURLY, reason="test", at=ws.clock.now() - timedelta(hours=late))
                done = await ingest(ws, request, new_run(request.flow, "test", ws.clock.now()))
                paid.append(done.calls_paid)
            avoided = [(row.request, row.edition) for row in ws.ledger.avoided_rows()]
        assert len(avoided) == len(set(avoided))
        return paid

    paid = asyncio.run(runs())
    assert paid[0] > 0
    assert paid[1:] == [0] * 5
    assert len(world.transfers(buyer.address)) == paid[0]


def test_gaps_of_a_listing_say_what_paging_down_to_them_costs() -> None:
    policy = SimpleNamespace(sellers={"tokenmetrics": SimpleNamespace(watch={HOURLY: ()}, tokens=())})
    ws = cast(Any, SimpleNamespace(clock=SimpleNamespace(now=lambda: AT), policy=policy, seller=policy.sellers.get))
    first = AT - timedelta(hours=149)
    gaps = [
        {"dataset": "trading-signals", "first": first, "keys": 2, "slots": 9},
        {"dataset": HOURLY, "first": first.isoformat(), "keys": 2, "slots": 7},
    ]
    [bill] = paging_bills(ws, gaps)
    assert (bill.calls, bill.slots, bill.amount) == (3, 7, "unknown")
    assert bill.command == f"tollbook backfill {HOURLY} --from 2026-11-16"
