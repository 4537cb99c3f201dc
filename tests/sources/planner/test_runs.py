"""Runs one after the other: what each still buys of a series, against a seller with and without its rows."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sources import registry
from sources.model import Feed
from sources.slots import start_of, wanted_slots
from tests.sources.buyer import AT, Buyer, SellerListing, dense, keys
from tests.sources.planner.test_plan import DAY, SIGNALS, TODAY


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.05, 0.3, 0.8]), st.integers(1, 12), st.integers(1, 60))
def test_holes_are_filled_and_nothing_is_bought_twice(seed: int, density: float, count: int, days: int) -> None:
    """Also against a seller with ragged rows: what was asked for in vain is asked for a few times more."""
    rng = np.random.default_rng(seed)
    first, last = TODAY - 5 - days, TODAY - 5
    rows = {cell for cell in dense(keys(count), first, last) if rng.random() < 0.9}
    buyer = Buyer(SellerListing(SIGNALS, rows))
    for key in keys(count):
        for number in range(first, last + 1):
            if rng.random() > density:
                buyer.fill((key,), number, number) if rng.random() < 0.05 else None
    buyer.fill(keys(count), first, last)
    assert buyer.knows() >= rows
    assert buyer.fill(keys(count), first, last) == 0
    for later in (30, 31, 34, 43, 47, 50, 59):
        buyer.fill(keys(count), first, last, AT + later * DAY)
    assert buyer.knows() >= dense(keys(count), first, last)
    assert buyer.fill(keys(count), first, last, AT + 90 * DAY) == 0


def test_a_ragged_listing_stops_at_its_short_page() -> None:
    """Thirteen tokens × 29 days are billed at four chained pages; two of them were listed, so one page ends it."""
    buyer = Buyer(SellerListing(SIGNALS, dense(keys(2), TODAY - 40, TODAY)))
    billed = buyer.plan(keys(13), TODAY - 32, TODAY - 4).calls
    assert billed == 4
    assert buyer.fill(keys(13), TODAY - 32, TODAY - 4) < billed
    again = [buyer.fill(keys(13), TODAY - 32, TODAY - 4, AT + days * DAY) for days in range(30)]
    assert (sum(again), [day for day, calls in enumerate(again) if calls]) == (3, [1, 4, 13])


def test_a_full_last_page_is_not_followed_by_an_empty_one() -> None:
    buyer = Buyer(SellerListing(SIGNALS, dense(keys(10), TODAY - 40, TODAY)))
    assert buyer.fill(keys(10), TODAY - 19, TODAY - 10) == 1
    assert buyer.market.asked[0].expected_rows == 100


def test_a_schedule_that_fires_twice_buys_once() -> None:
    buyer = Buyer(SellerListing(SIGNALS, dense(keys(5), TODAY - 40, TODAY)))
    assert buyer.fill(keys(5), TODAY - 28, TODAY) > 0
    assert buyer.fill(keys(5), TODAY - 28, TODAY) == 0
    assert buyer.fill(keys(5), TODAY - 28, TODAY, AT.replace(hour=23)) == 0


def test_the_newest_day_is_looked_at_again_until_it_has_settled() -> None:
    buyer = Buyer(SellerListing(SIGNALS, dense(keys(2), TODAY - 40, TODAY + 5)))
    bought = [buyer.fill(keys(2), TODAY, TODAY, AT + days * DAY) for days in range(4)]
    assert bought == [1, 1, 0, 0]


def test_an_absent_day_is_asked_for_daily_until_patience_ends_then_ever_more_rarely() -> None:
    """From the fourth day on the absence counts: once more after a day, after three, after nine, and never again."""
    buyer = Buyer(SellerListing(SIGNALS, dense(keys(2), TODAY - 9, TODAY - 1) | dense(keys(2), TODAY + 1, TODAY + 1)))
    buyer.fill(keys(2), TODAY - 9, TODAY - 1)
    buyer.fill(keys(2), TODAY + 1, TODAY + 1, AT + 3 * DAY)
    bought = [buyer.fill(keys(2), TODAY, TODAY, AT + days * DAY) for days in range(60)]
    assert [day for day, calls in enumerate(bought) if calls] == [0, 1, 2, 3, 4, 7, 16]


def test_an_outage_is_filled_by_the_next_run() -> None:
    buyer = Buyer(SellerListing(SIGNALS, dense(keys(3), TODAY - 60, TODAY + 20)))
    buyer.fill(keys(3), TODAY - 28, TODAY)
    later = AT + 10 * DAY
    assert buyer.fill(keys(3), TODAY - 18, TODAY + 10, later) == 1
    assert buyer.knows(later) >= dense(keys(3), TODAY - 28, TODAY + 10)


@pytest.mark.parametrize("hour", [5, 6, 7])
def test_a_daily_run_of_a_series_takes_second_looks_and_fills_missed_days(hour: int) -> None:
    """Days 3 to 5 nobody ran. Each run is one call, and in the end every day has the row it settled with."""
    grades = registry.dataset("trader-grades")
    start = AT.replace(hour=hour, minute=15)
    buyer = Buyer(SellerListing(grades, dense(keys(3), TODAY - 40, TODAY + 20)))
    last_look: dict[int, datetime] = {}
    for day in (0, 1, 2, 6, 7, 8, 9):
        at = start + day * DAY
        [want] = wanted_slots(Feed(grades.name, (grades.name,)), at, registry.dataset)
        before = len(buyer.market.asked)
        assert buyer.fill(keys(3), want.first, want.last, at) == 1
        for piece in buyer.market.asked[before:]:
            last_look.update(dict.fromkeys(range(piece.first, piece.last + 1), at))
    settled = range(TODAY - 28, TODAY + 8)
    assert buyer.knows(start + 30 * DAY) >= dense(keys(3), settled[0], settled[-1])
    assert all(last_look[day] >= start_of(grades, day + 1) + timedelta(hours=6) for day in settled)
