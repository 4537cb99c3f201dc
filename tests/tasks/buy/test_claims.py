"""Two runs that want the same cells at the same time: which of them buys."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payer.values.money import Asset
from payer.values.purchase import Data, Money, Purchase
from payer.values.request import Order, Request, Run
from tasks.buy.claims import lost_to, overlap

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
