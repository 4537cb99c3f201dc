"""Two runs that want the same cells at the same time: which of them buys."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from payer.buy.approve import Approved
from payer.ledger.owners import _machine
from payer.values.money import Asset
from payer.values.purchase import Data, Lease, Money, Purchase
from payer.values.request import Order, Request, Run
from tasks.buy.overlaps import BoughtElsewhere, give_way, lost_to, overlap
from warehouse.cache.store import KnownDeliveries

AT = datetime(2026, 11, 22, tzinfo=UTC)
USDC = Asset("USDC", 31337, "0x" + "11" * 20, "USD Coin", "2", 6)


def order(keys: str = "1,2", first: int = 0, last: int = 9, dataset: str = "trading-signals", **more: Any) -> Order:
    context = {"keys": keys.split(","), "first": first, "last": last}
    return Order(Request("GET", "https://seller.test/x"), "final", "tokenmetrics", dataset, context, **more)


def purchase(run_id: str, made: Order, **state: Any) -> Purchase:
    key = f"{made.dataset} {made.context}"
    run = Run(run_id, "signals", "test", AT)
    return Purchase(f"{run_id} {key}", key, 0, made, run, USDC, "0x" + "22" * 20, "0x" + "33" * 32, AT, **state)


@pytest.mark.parametrize(
    ("other", "overlaps"),
    [
        (order(), True),
        (order("2,3", 9, 20), True),
        (order("3"), False),
        (order(first=10, last=20), False),
        (order(dataset="daily-ohlcv"), False),
        (order(free=True), False),
        (Order(Request("GET", "https://seller.test/x"), "final", "tokenmetrics", "trading-signals"), False),
    ],
)
def test_requests_overlap_where_both_would_pay_for_a_cell(other: Order, overlaps: bool) -> None:
    assert overlap(order(), other) is overlap(other, order()) is overlaps


OTHER = order("2,3", 5, 12)


@pytest.mark.parametrize(
    ("rival", "held", "gives_way"),
    [
        (purchase("a", OTHER), 0.0, True),
        (purchase("z", OTHER), 0.0, False),
        (purchase("z", OTHER), 20.0, True),
        (purchase("z", OTHER, money=Money.EXPOSED), 0.0, True),
        (purchase("z", OTHER, money=Money.SPENT, data=Data.DELIVERED), 0.0, True),
        (purchase("z", OTHER, data=Data.DELIVERED), 0.0, True),
        (purchase("a", order("9")), 0.0, False),
        (purchase("a", order()), 0.0, False),
    ],
    ids=["older", "younger", "held too long", "on its way", "delivered", "free", "other cells", "the same request"],
)
def test_what_is_on_its_way_or_of_the_smaller_run_goes_first(rival: Purchase, held: float, gives_way: bool) -> None:
    mine = [purchase("m", order()), purchase("m", order("8")), purchase("m", order("1", dataset="daily-ohlcv"))]
    assert lost_to("m", mine, [rival], held) == (mine[:2] if gives_way else [])


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 20), st.integers(0, 9)), min_size=2, max_size=8))
def test_whoever_sees_whom_no_cell_is_bought_twice_and_somebody_buys_it(
    wanted: list[tuple[str, int, int]],
) -> None:
    """Each run sees everything that was reserved, or on its way, when it looks; they look one after another."""
    reserved = [purchase(run, order("1", first, first + days)) for run, first, days in wanted]
    alive = {p.purchase_id: p for p in reserved}
    on_their_way: list[Purchase] = []
    for run in sorted({run for run, _, _ in wanted}, key=lambda run: hash((run, len(wanted)))):
        mine = [p for p in alive.values() if p.run.run_id == run]
        seen = [*(p for p in alive.values() if p.run.run_id != run), *on_their_way]
        lost = lost_to(run, mine, seen, held=20.0)
        for p in mine:
            del alive[p.purchase_id]
            if p not in lost:
                on_their_way.append(purchase(run, p.order, money=Money.EXPOSED))
    for p in on_their_way:
        for q in on_their_way:
            assert p.run.run_id == q.run.run_id or p.purchase_key == q.purchase_key or not overlap(p.order, q.order)


class Elsewhere:
    """A workspace whose ledger shows others' purchases, one list per look; time passes in `sleep`."""

    def __init__(self, *looks: list[Purchase], delivered: tuple[Purchase, ...] = ()) -> None:
        self.looks, self.fresh = list(looks), {p.purchase_id: p for p in delivered}
        self.released: list[str] = []
        self.slept, self.recovered = 0.0, 0
        self.ledger = self.payer = self.clock = self.cache = self.context = self
        self.owner = "0123456789ab:1:aaaa"
        self.stop = SimpleNamespace(requested=False)

    async def in_thread(self, work: Any, *args: Any) -> Any:
        return work(*args)

    def open_purchases(self) -> list[Purchase]:
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]

    def remembered(self) -> KnownDeliveries:
        return KnownDeliveries(0, set(), complete=True)

    def delivery_index(self, after: int) -> list[tuple[int, str]]:
        return [(after + 1, name) for name in self.fresh]

    def get(self, name: str) -> Purchase:
        return self.fresh[name]

    def release(self, purchases: list[Purchase]) -> None:
        self.released += [p.purchase_id for p in purchases]

    async def recover(self) -> None:
        self.recovered += 1

    async def sleep(self, seconds: float) -> None:
        self.slept += seconds

    def now(self) -> datetime:
        return AT + timedelta(seconds=self.slept)


def leased(made: Purchase, owner: str = "another-host:7:bbbb", seconds: float = 90) -> Purchase:
    return replace(made, lease=Lease(owner, AT + timedelta(seconds=seconds)))


def bought(ws: Elsewhere, *mine: Purchase) -> list[Purchase]:
    run = Run("m", "signals", "test", AT)
    return asyncio.run(give_way(cast(Any, ws), run, Approved(list(mine), {}))).purchases


MINE, SAME_SET, APART = (
    purchase("m", order()),
    purchase("m", order("8")),
    purchase("m", order(dataset="daily-ohlcv")),
)


def test_nothing_is_given_up_where_nobody_else_wants_the_cells() -> None:
    ws = Elsewhere([leased(purchase("a", order("9"))), purchase("m", OTHER)])
    assert bought(ws, MINE, APART) == [MINE, APART]
    assert (ws.released, ws.slept) == ([], 0)


def test_what_another_buys_is_released_and_what_nobody_wants_is_bought_at_once() -> None:
    ws = Elsewhere([leased(purchase("a", OTHER))])
    assert bought(ws, MINE, SAME_SET, APART) == [APART]
    assert ws.released == [MINE.purchase_id, SAME_SET.purchase_id]
    assert ws.slept == 0


def test_with_nothing_left_the_run_waits_until_the_other_has_it() -> None:
    busy = leased(purchase("a", OTHER, money=Money.EXPOSED))
    ws = Elsewhere([busy], [busy], [busy], [])
    assert bought(ws, MINE) == []
    assert (ws.released, ws.slept) == ([MINE.purchase_id], 0.5)


def test_a_younger_reservation_is_waited_out_and_then_its_cells_are_bought() -> None:
    younger = leased(purchase("z", OTHER))
    ws = Elsewhere([younger], [younger], [])
    assert bought(ws, MINE) == [MINE]
    assert (ws.released, ws.slept) == ([], 0.5)


def test_a_run_that_waited_long_enough_says_whom_it_waited_for() -> None:
    with pytest.raises(BoughtElsewhere, match="is being bought by run a") as found:
        bought(Elsewhere([leased(purchase("a", OTHER), seconds=10_000)]), MINE)
    assert (found.value.exit_code, found.value.money) == (4, "none was sent for this by this run")


@pytest.mark.parametrize(
    "lapsed",
    [
        purchase("a", OTHER),
        leased(purchase("a", OTHER), seconds=-1),
        leased(purchase("a", OTHER), owner=f"{_machine()}:999999999:cccc"),
    ],
    ids=["no lease", "a lease that ended", "a process that was killed"],
)
def test_a_reservation_counts_no_longer_than_its_lease_or_its_process(lapsed: Purchase) -> None:
    assert bought(Elsewhere([lapsed]), MINE) == [MINE]


DEAD = f"{_machine()}:999999999:cccc"


def test_what_a_dead_process_sent_is_recovered_and_not_bought_beside_it() -> None:
    """I1 of cells: its money may be gone, and its rows may come."""
    sent = leased(purchase("a", OTHER, money=Money.EXPOSED), owner=DEAD)
    ws = Elsewhere([sent], [sent], [])
    assert bought(ws, MINE) == []
    assert (ws.released, ws.recovered, ws.slept) == ([MINE.purchase_id], 1, 0.25)


@pytest.mark.parametrize("money", [Money.EXPOSED, Money.SPENT])
def test_what_stays_in_doubt_after_a_recovery_is_told_and_not_bought(money: Money) -> None:
    """Recovered now and then meanwhile: its settlement may not be in a block yet."""
    ws = Elsewhere([leased(purchase("a", OTHER, money=money), owner=DEAD)])
    with pytest.raises(BoughtElsewhere, match="was paid for, and is in doubt, by run a") as found:
        bought(ws, MINE)
    assert (found.value.exit_code, ws.recovered, ws.slept) == (4, 12, 120)


def test_what_this_run_recovered_and_leases_itself_nobody_else_works_on() -> None:
    ours = leased(purchase("a", OTHER, money=Money.EXPOSED), owner="0123456789ab:1:aaaa")
    ws = Elsewhere([ours], [ours], [])
    assert (bought(ws, MINE), ws.recovered) == ([], 1)


def test_a_lease_that_ended_does_not_free_the_cells_of_what_was_sent() -> None:
    sent = leased(purchase("a", OTHER, money=Money.EXPOSED), seconds=-1)
    ws = Elsewhere([sent], [sent], [])
    assert (bought(ws, MINE), ws.recovered) == ([], 1)


def test_what_was_delivered_since_the_cache_was_loaded_is_not_bought_again() -> None:
    """It is loaded next, without waiting, and the plan is made again."""
    ws = Elsewhere([], delivered=(purchase("a", OTHER, money=Money.SPENT, data=Data.DELIVERED),))
    assert bought(ws, MINE) == []
    assert (ws.released, ws.slept) == ([MINE.purchase_id], 0)
