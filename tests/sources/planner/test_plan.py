"""From a demand to requests: the pieces, their parameters, and what is not bought."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta

import pytest

from sources import registry
from sources.model import Dataset
from sources.planner.held import NOTHING_HELD, HeldCells, held_from
from sources.planner.pieces import group_of
from sources.planner.plan import Plan, plan
from sources.slots import start_of
from tests.sources.buyer import AT, Buyer, SellerListing, dense, keys, today

SIGNALS = registry.dataset("trading-signals")
GRADE = registry.dataset("tm-grade")
HOURLY_BARS = registry.dataset("hourly-ohlcv")
TODAY = today(SIGNALS)
DAY = timedelta(days=1)


def planned(dataset: Dataset, count: int, days: int, held: HeldCells = NOTHING_HELD, at: datetime = AT) -> Plan:
    last = today(dataset, at)
    return plan(dataset, keys(count), last - days + 1, last, held, at, at)


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
    one = plan(SIGNALS, ["3375", "99", "3306"], TODAY - 9, TODAY, NOTHING_HELD, AT, AT)
    two = plan(SIGNALS, ["99", "3306", "3375", "99"], TODAY - 9, TODAY, NOTHING_HELD, AT, AT)
    assert one == two
    assert one.pieces[0].keys == ("99", "3306", "3375")


def test_requests_are_the_same_in_another_process() -> None:
    """They derive payment nonces: hash seeds and platforms may not matter."""
    script = (
        "import numpy as np\n"
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


def test_a_year_of_hours_asked_for_by_the_day_fills_its_pages() -> None:
    last = today(HOURLY_BARS)
    found = plan(HOURLY_BARS, keys(4), last - 24 * 100 - 9, last, NOTHING_HELD, AT, AT)
    cells = 4 * (24 * 100 + 10)
    assert found.missing_cells == cells
    assert found.calls <= 1.05 * -(-cells // 100)
    assert all(piece.first % 24 == 0 for piece in found.pieces)


def test_nothing_to_come_is_asked_for() -> None:
    found = planned(SIGNALS, 1, 1)
    ahead = plan(SIGNALS, keys(1), TODAY, TODAY + 30, NOTHING_HELD, AT, AT)
    assert ahead == found
    assert plan(SIGNALS, keys(1), TODAY + 1, TODAY + 30, NOTHING_HELD, AT, AT) == Plan(())


def test_nothing_before_the_first_day_of_a_history_is_asked_for() -> None:
    grades = registry.dataset("trader-grades")
    begin = (date(2021, 1, 1) - date(1970, 1, 1)).days
    found = plan(grades, keys(2), -20_000, begin + 49, NOTHING_HELD, AT, AT)
    assert (found.calls, found.missing_cells) == (2, 100)
    assert min(piece.first for piece in found.pieces) == begin
    assert plan(grades, keys(2), -20_000, begin - 1, NOTHING_HELD, AT, AT) == Plan(())


def test_no_keys_plan_nothing() -> None:
    assert plan(SIGNALS, (), TODAY, TODAY, NOTHING_HELD, AT, AT) == Plan(())


def test_held_cells_are_cut_to_the_slots_from_a_start_on() -> None:
    held = HeldCells({"1": ((3, 5), (8, 9)), "2": ((1, 2),)})
    assert held_from(held, 5).spans == {"1": ((5, 5), (8, 9))}
    assert held_from(held, 0).spans == held.spans


def test_a_series_run_that_comes_late_buys_the_edition_of_its_schedule() -> None:
    found = plan(SIGNALS, keys(1), TODAY, TODAY, NOTHING_HELD, AT, AT + 2 * DAY)
    assert [piece.edition for piece in found.pieces] == ["day:2026-11-22"]


def test_the_context_of_a_piece_gives_its_group_back() -> None:
    for piece in planned(SIGNALS, 13, 29).pieces:
        assert group_of(piece.context()) == piece.group


def test_a_smaller_page_makes_more_calls() -> None:
    found = plan(SIGNALS, keys(10), TODAY - 9, TODAY, NOTHING_HELD, AT, AT, max_rows=10)
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
