"""From a demand to requests: the pieces, their parameters, and what is not bought."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sources import registry
from sources.feeds import wanted_slots
from sources.model import Dataset, Feed
from sources.planner.held import NOTHING_HELD, HeldCells, held_before, held_from, union
from sources.planner.pieces import group_of
from sources.planner.plan import Plan, plan
from sources.slots import start_of
from tests.sources.buyer import AT, Buyer, SellerListing, dense, keys, today

SIGNALS = registry.dataset("trading-signals")
GRADE = registry.dataset("tm-grade")
HOURLY_BARS = registry.dataset("hourly-ohlcv")
HOURLY_SIGNALS = registry.dataset("hourly-trading-signals")
TODAY = today(SIGNALS)
DAY = timedelta(days=1)


def planned(dataset: Dataset, count: int, days: int, held: HeldCells = NOTHING_HELD, at: datetime = AT) -> Plan:
    last = today(dataset, at)
    return plan(dataset, registry.seller_of(dataset), keys(count), last - days + 1, last, held, at, at)


def holding(count: int, spans: list[tuple[int, int]]) -> HeldCells:
    return HeldCells(dict.fromkeys(keys(count), tuple(spans)))


def test_a_request_names_ids_dates_and_page_as_the_seller_does() -> None:
    found = planned(SIGNALS, 2, 2)
    assert [(piece.method, piece.path, piece.params, piece.body) for piece in found.pieces] == [
        (
            "GET",
            "/trading-signals",
            (
                ("endDate", "2026-11-22"),
                ("limit", "100"),
                ("page", "1"),
                ("startDate", "2026-11-21"),
                ("token_id", "3000,3001"),
            ),
            b"",
        )
    ]
    assert found.pieces[0].expected_rows == 4
    assert found.missing_cells == 4


def test_fifty_tokens_a_year_cost_a_hundred_and_eighty_three_calls() -> None:
    found = planned(SIGNALS, 50, 365)
    assert found.calls == len(found.pieces) == 183
    assert sum(piece.expected_rows or 0 for piece in found.pieces) == 50 * 365


def test_fifty_tokens_a_day_later_cost_one_call() -> None:
    """Yesterday's row has settled, today's is new: fifty tokens × two days fill one page."""
    buyer = Buyer(SellerListing(SIGNALS, dense(keys(50), TODAY - 40, TODAY + 1)))
    buyer.fill(keys(50), TODAY - 28, TODAY)
    assert buyer.fill(keys(50), TODAY - 27, TODAY + 1, AT + DAY) == 1


def test_nothing_missing_plans_nothing_and_counts_the_whole_plan_as_avoided() -> None:
    found = planned(SIGNALS, 50, 29, holding(50, [(TODAY - 28, TODAY)]))
    assert found.pieces == found.later == ()
    assert found.avoided == planned(SIGNALS, 50, 29).pieces
    assert found.missing_cells == 0


def test_calls_made_and_calls_avoided_add_up_to_the_plan_from_nothing() -> None:
    whole = planned(SIGNALS, 50, 365).calls
    found = planned(SIGNALS, 50, 365, holding(50, [(TODAY - 364, TODAY - 100)]))
    assert found.calls + len(found.avoided) == whole
    assert found.missing_cells == 50 * 100


def test_what_is_avoided_is_first_what_is_wholly_held() -> None:
    held = holding(50, [(TODAY - 364, TODAY - 100)])
    for piece in planned(SIGNALS, 50, 365, held).avoided:
        assert piece.last <= TODAY - 100


def test_a_demand_typed_in_another_order_makes_the_same_requests() -> None:
    seller = registry.seller_of(SIGNALS)
    one = plan(SIGNALS, seller, ["3375", "99", "3306"], TODAY - 9, TODAY, NOTHING_HELD, AT, AT)
    two = plan(SIGNALS, seller, ["99", "3306", "3375", "99"], TODAY - 9, TODAY, NOTHING_HELD, AT, AT)
    assert one == two
    assert one.pieces[0].keys == ("99", "3306", "3375")


def test_requests_are_the_same_in_another_process() -> None:
    """They derive payment nonces: hash seeds and platforms may not matter."""
    script = (
        "from tests.sources.planner.test_plan import *\n"
        "from tests.sources.planner.test_rectangles import holes\n"
        "held = HeldCells({k: tuple((TODAY-59+int(t),)*2 for t in np.flatnonzero(~row)) for k, row in zip(keys(9), holes(5, 9, 60, .3))})\n"  # noqa: E501
        "print([(p.params, p.edition, p.context()) for p in planned(SIGNALS, 9, 60, held).pieces])"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": "."},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(texts) == 1
    assert "token_id" in texts.pop()


@pytest.mark.parametrize("hour", [0, 5, 6, 7, 23])
def test_replanning_later_in_the_same_edition_from_nothing_makes_the_same_pieces(hour: int) -> None:
    """A run after the state was lost signs the same nonces as the first."""
    assert planned(SIGNALS, 50, 29, at=AT.replace(hour=hour, minute=59)) == planned(SIGNALS, 50, 29)


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


def test_a_year_of_hours_asked_for_by_the_day_fills_its_pages() -> None:
    last = today(HOURLY_BARS)
    found = plan(HOURLY_BARS, registry.seller_of(HOURLY_BARS), keys(4), last - 24 * 100 - 9, last, NOTHING_HELD, AT, AT)
    cells = 4 * (24 * 100 + 10)
    assert found.missing_cells == cells
    assert found.calls <= 1.05 * -(-cells // 100)
    assert all(piece.first % 24 == 0 for piece in found.pieces)


def test_nothing_to_come_is_asked_for() -> None:
    found = planned(SIGNALS, 1, 1)
    ahead = plan(SIGNALS, registry.seller_of(SIGNALS), keys(1), TODAY, TODAY + 30, NOTHING_HELD, AT, AT)
    assert ahead == found
    assert plan(SIGNALS, registry.seller_of(SIGNALS), keys(1), TODAY + 1, TODAY + 30, NOTHING_HELD, AT, AT) == Plan(())


def test_nothing_before_the_first_day_of_a_history_is_asked_for() -> None:
    grades = registry.dataset("trader-grades")
    begin = (date(2021, 1, 1) - date(1970, 1, 1)).days
    found = plan(grades, registry.seller_of(grades), keys(2), -20_000, begin + 49, NOTHING_HELD, AT, AT)
    assert (found.calls, found.missing_cells) == (2, 100)
    assert min(piece.first for piece in found.pieces) == begin
    assert plan(grades, registry.seller_of(grades), keys(2), -20_000, begin - 1, NOTHING_HELD, AT, AT) == Plan(())


def test_no_keys_plan_nothing() -> None:
    assert plan(SIGNALS, registry.seller_of(SIGNALS), (), TODAY, TODAY, NOTHING_HELD, AT, AT) == Plan(())


def test_a_snapshot_takes_as_many_tokens_a_call_as_fit_a_page() -> None:
    found = planned(GRADE, 250, 1)
    assert [len(piece.keys) for piece in found.pieces] == [100, 100, 50]
    assert {piece.edition for piece in found.pieces} == {"day:2026-11-22"}


def test_a_missed_snapshot_is_gone_and_never_bought_as_if_it_were_the_past() -> None:
    found = planned(GRADE, 3, 4, HeldCells({"3000": ((TODAY - 2, TODAY - 2),)}))
    assert {(piece.first, piece.last) for piece in found.pieces} == {(TODAY, TODAY)}
    assert [(gone.first, gone.last, gone.keys, gone.repaired_by) for gone in found.lost] == [
        (TODAY - 1, TODAY - 1, ("3000",), "tm-grade-history")
    ]


def test_after_an_outage_every_missed_snapshot_is_reported_and_none_is_bought() -> None:
    """Of a token that is new to the watch list nothing was missed; what the history repaired is not missed either."""
    at = AT + 5 * DAY
    snapshots = HeldCells({"3000": ((TODAY, TODAY),), "3001": ((TODAY, TODAY),)})
    repaired = held_before(HeldCells({"3001": ((TODAY - 9, TODAY + 5),)}), TODAY + 5)
    [want] = wanted_slots(Feed("tm-grade", ("tm-grade",)), at, registry.dataset)
    seller = registry.seller_of(GRADE)
    found = plan(GRADE, seller, keys(3), want.first, want.last, union(snapshots, repaired), at, at)
    assert [(gone.first, gone.last, gone.keys) for gone in found.lost] == [(TODAY + 1, TODAY + 4, ("3000",))]
    [piece] = found.pieces
    assert (piece.keys, piece.first, piece.last) == (keys(3), TODAY + 5, TODAY + 5)


def test_held_cells_are_cut_to_the_slots_from_a_start_on() -> None:
    held = HeldCells({"1": ((3, 5), (8, 9)), "2": ((1, 2),)})
    assert held_from(held, 5).spans == {"1": ((5, 5), (8, 9))}
    assert held_from(held, 0).spans == held.spans


def test_a_snapshot_run_that_comes_a_day_late_finds_its_day_gone() -> None:
    found = plan(GRADE, registry.seller_of(GRADE), keys(1), TODAY, TODAY, NOTHING_HELD, AT, AT + DAY)
    assert found.pieces == ()
    assert [(gone.first, gone.last) for gone in found.lost] == [(TODAY, TODAY)]


def test_a_snapshot_run_that_comes_late_on_its_day_buys_its_edition() -> None:
    found = plan(GRADE, registry.seller_of(GRADE), keys(1), TODAY, TODAY, NOTHING_HELD, AT, AT.replace(hour=23))
    assert found.pieces == planned(GRADE, 1, 1).pieces


def test_a_series_run_that_comes_late_buys_the_edition_of_its_schedule() -> None:
    found = plan(SIGNALS, registry.seller_of(SIGNALS), keys(1), TODAY, TODAY, NOTHING_HELD, AT, AT + 2 * DAY)
    assert [piece.edition for piece in found.pieces] == ["day:2026-11-22"]


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


def test_a_page_only_listing_is_read_as_deep_as_its_oldest_gap() -> None:
    last = today(HOURLY_SIGNALS)
    buyer = Buyer(SellerListing(HOURLY_SIGNALS, dense(keys(4), last - 500, last)))
    assert buyer.fill(keys(4), last - 24, last) == 1
    assert buyer.knows() >= dense(keys(4), last - 24, last)
    assert buyer.fill(keys(4), last - 99, last) > 1
    assert buyer.knows() >= dense(keys(4), last - 99, last)


def test_a_page_only_listing_bought_hourly_takes_one_call() -> None:
    last = today(HOURLY_SIGNALS)
    buyer = Buyer(SellerListing(HOURLY_SIGNALS, dense(keys(20), last - 500, last)))
    buyer.fill(keys(20), last - 24, last)
    later = AT + timedelta(hours=1)
    buyer.market.rows |= dense(keys(20), last + 1, last + 1)
    assert buyer.fill(keys(20), last - 23, last + 1, later) == 1


def test_a_page_only_listing_with_a_silent_token_is_read_no_deeper_than_billed() -> None:
    last = today(HOURLY_SIGNALS)
    buyer = Buyer(SellerListing(HOURLY_SIGNALS, dense(keys(4), last - 2000, last)))
    billed = buyer.plan(keys(5), last - 24, last).calls
    assert buyer.fill(keys(5), last - 24, last) <= billed
    for hour in range(1, 9):
        buyer.market.rows |= dense(keys(4), last + hour, last + hour)
        assert buyer.fill(keys(5), last - 24 + hour, last + hour, AT + timedelta(hours=hour)) == 1


@pytest.mark.parametrize(("name", "count", "calls"), [("tm-grade", 100, 1), ("quantmetrics", 5000, 50)])
def test_a_full_page_of_a_snapshot_is_not_followed_by_an_empty_one(name: str, count: int, calls: int) -> None:
    dataset = registry.dataset(name)
    here = today(dataset)
    buyer = Buyer(SellerListing(dataset, dense(keys(count), here, here)))
    assert buyer.plan(keys(count), here, here).calls == calls
    assert buyer.fill(keys(count), here, here) == calls


def test_a_listing_of_unknown_length_is_read_to_its_short_page() -> None:
    moonshots = registry.dataset("moonshot-tokens")
    picks = {("*", number) for number in range(250)}
    buyer = Buyer(SellerListing(moonshots, picks))
    here = today(moonshots)
    first = buyer.plan(("*",), here, here)
    assert (first.calls, first.open_ended) == (1, True)
    assert buyer.fill(("*",), here, here) == 3
    assert buyer.fill(("*",), here, here) == 0


def test_the_bill_of_a_listing_counts_the_pages_it_had_last_time() -> None:
    moonshots = registry.dataset("moonshot-tokens")
    here = today(moonshots)
    found = plan(moonshots, registry.seller_of(moonshots), ("*",), here, here, HeldCells(listing_rows=250), AT, AT)
    assert (len(found.pieces), len(found.later)) == (1, 2)


def test_a_free_listing_is_read_several_pages_at_a_time() -> None:
    tokens = registry.dataset("tokens")
    here = today(tokens)
    buyer = Buyer(SellerListing(tokens, {("*", number) for number in range(1234)}))
    assert len(buyer.plan(("*",), here, here).pieces) == 8
    assert 13 <= buyer.fill(("*",), here, here) <= 16


def test_what_a_free_listing_saves_is_counted_without_guesses() -> None:
    tokens = registry.dataset("tokens")
    here = today(tokens)
    held = HeldCells({"*": ((here, here),)}, listing_rows=250)
    assert len(plan(tokens, registry.seller_of(tokens), ("*",), here, here, held, AT, AT).avoided) == 3


def test_a_listing_worth_one_page_is_asked_for_one_page() -> None:
    for name in ("top-market-cap-tokens", "sentiments"):
        dataset = registry.dataset(name)
        here = today(dataset)
        found = plan(dataset, registry.seller_of(dataset), ("*",), here, here, HeldCells(listing_rows=900), AT, AT)
        assert (found.calls, found.open_ended) == (1, False)


def test_the_context_of_a_piece_gives_its_group_back() -> None:
    for piece in planned(SIGNALS, 13, 29).pieces:
        assert group_of(piece.context()) == piece.group


def test_a_smaller_page_makes_more_calls() -> None:
    seller = registry.seller_of(SIGNALS)
    found = plan(SIGNALS, seller, keys(10), TODAY - 9, TODAY, NOTHING_HELD, AT, AT, max_rows=10)
    assert found.calls == 10
    assert dict(found.pieces[0].params)["limit"] == "10"


def test_five_thousand_tokens_and_four_years_are_planned_in_two_seconds() -> None:
    """In processor time, as the machine is shared."""
    began = time.process_time()
    found = planned(SIGNALS, 5000, 1461)
    assert time.process_time() - began < 4
    assert found.calls == -(-5000 * 1461 // 100)


def test_five_thousand_tokens_with_a_year_held_are_planned_quickly() -> None:
    held = holding(5000, [(TODAY - 1460, TODAY - 1000)])
    began = time.process_time()
    found = planned(SIGNALS, 5000, 1461, held)
    assert time.process_time() - began < 8
    assert found.calls + len(found.avoided) == -(-5000 * 1461 // 100)


def test_times_are_those_of_the_schedule_not_of_the_machine() -> None:
    assert start_of(SIGNALS, TODAY) == datetime(2026, 11, 22, tzinfo=UTC)


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4, 5), (5, 4, 3, 2, 1, 0), (3, 0, 5, 1, 4, 2)])
def test_late_runs_fired_together_after_an_outage_buy_one_listing(order: tuple[int, ...]) -> None:
    """The first answer reaches to the moment it came: the others find what they want in it."""
    here = today(HOURLY_SIGNALS)
    buyer, now = Buyer(SellerListing(HOURLY_SIGNALS, dense(keys(3), here - 40, here + 5))), AT + timedelta(hours=5.2)
    buyer.fill(keys(3), here - 24, here - 1, AT - timedelta(hours=1))
    calls = [buyer.fill(keys(3), here + late - 24, here + late, AT + timedelta(hours=late), now=now) for late in order]
    assert sum(calls) == 1


def test_a_listing_is_read_from_its_newest_row_however_old_the_gap() -> None:
    here = today(HOURLY_SIGNALS)
    seller = registry.seller_of(HOURLY_SIGNALS)
    found = plan(HOURLY_SIGNALS, seller, keys(2), here - 240, here, HeldCells(), AT, AT)
    assert (found.calls, found.pieces[0].first, found.pieces[0].last) == (5, here - 240, here)
