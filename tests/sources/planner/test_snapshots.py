"""Plans of snapshots: only what is sold now, and what was missed is told."""

from __future__ import annotations

import pytest

from sources import registry
from sources.model import Feed
from sources.planner.held import NOTHING_HELD, HeldCells, held_before, union
from sources.planner.plan import plan
from sources.slots import wanted_slots
from tests.sources.buyer import AT, Buyer, SellerListing, dense, keys, today
from tests.sources.planner.test_plan import DAY, GRADE, TODAY, planned


def test_a_snapshot_takes_as_many_tokens_a_call_as_fit_a_page() -> None:
    found = planned(GRADE, 250, 1)
    assert [len(piece.keys) for piece in found.pieces] == [100, 100, 50]
    assert {piece.edition for piece in found.pieces} == {"day:2026-11-22"}


def test_a_missed_snapshot_is_gone_and_never_bought_as_if_it_were_the_past() -> None:
    found = planned(GRADE, 3, 4, HeldCells({"3000": ((TODAY - 2, TODAY - 2),)}))
    assert {(piece.first, piece.last) for piece in found.pieces} == {(TODAY, TODAY)}
    assert [(gone.first, gone.last, gone.keys) for gone in found.lost] == [(TODAY - 1, TODAY - 1, ("3000",))]


def test_after_an_outage_every_missed_snapshot_is_reported_and_none_is_bought() -> None:
    """Of a token that is new to the watch list nothing was missed; what the history repaired is not missed either."""
    at = AT + 5 * DAY
    snapshots = HeldCells({"3000": ((TODAY, TODAY),), "3001": ((TODAY, TODAY),)})
    repaired = held_before(HeldCells({"3001": ((TODAY - 9, TODAY + 5),)}), TODAY + 5)
    [want] = wanted_slots(Feed("tm-grade", ("tm-grade",)), at, registry.dataset)
    found = plan(GRADE, keys(3), want.first, want.last, union(snapshots, repaired), at, at)
    assert [(gone.first, gone.last, gone.keys) for gone in found.lost] == [(TODAY + 1, TODAY + 4, ("3000",))]
    [piece] = found.pieces
    assert (piece.keys, piece.first, piece.last) == (keys(3), TODAY + 5, TODAY + 5)


def test_a_snapshot_run_that_comes_a_day_late_finds_its_day_gone() -> None:
    found = plan(GRADE, keys(1), TODAY, TODAY, NOTHING_HELD, AT, AT + DAY)
    assert found.pieces == ()
    assert [(gone.first, gone.last) for gone in found.lost] == [(TODAY, TODAY)]


def test_a_snapshot_run_that_comes_late_on_its_day_buys_its_edition() -> None:
    found = plan(GRADE, keys(1), TODAY, TODAY, NOTHING_HELD, AT, AT.replace(hour=23))
    assert found.pieces == planned(GRADE, 1, 1).pieces


@pytest.mark.parametrize(("name", "count", "calls"), [("tm-grade", 100, 1), ("quantmetrics", 5000, 50)])
def test_a_full_page_of_a_snapshot_is_not_followed_by_an_empty_one(name: str, count: int, calls: int) -> None:
    dataset = registry.dataset(name)
    here = today(dataset)
    buyer = Buyer(SellerListing(dataset, dense(keys(count), here, here)))
    assert buyer.plan(keys(count), here, here).calls == calls
    assert buyer.fill(keys(count), here, here) == calls
