"""A listing that shifts while it is read costs at most one more call, which finds the hidden row."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from sources import registry
from sources.coverage.delivered_page import Cell
from sources.planner.pieces import Piece
from tests.sources.buyer import AT, Buyer, SellerListing, dense, keys, today

SIGNALS = registry.dataset("trading-signals")
HOURLY_SIGNALS = registry.dataset("hourly-trading-signals")
TODAY = today(SIGNALS)


RAGGED = {
    "every third cell absent": lambda key, day: (int(key) + day) % 3 != 0,
    "listed one after another": lambda key, day: day >= TODAY - 32 + 2 * (int(key) - 3000),
    "dense": lambda key, day: True,
}


@pytest.mark.parametrize("listed", RAGGED.values(), ids=RAGGED)
def test_a_ragged_listing_costs_no_more_than_its_bill(listed: Callable[[str, int], bool]) -> None:
    rows = {cell for cell in dense(keys(13), TODAY - 32, TODAY - 4) if listed(*cell)}
    buyer = Buyer(SellerListing(SIGNALS, rows))
    billed = buyer.plan(keys(13), TODAY - 32, TODAY - 4).calls
    assert buyer.fill(keys(13), TODAY - 32, TODAY - 4) <= billed


@pytest.mark.parametrize("listed", RAGGED.values(), ids=RAGGED)
@pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
def test_a_row_hidden_by_a_shift_is_found_with_one_call(listed: Callable[[str, int], bool], place: float) -> None:
    """However many cells without a row it may have been."""
    rows = {cell for cell in dense(keys(13), TODAY - 32, TODAY - 4) if listed(*cell)}
    hidden: list[Cell] = []

    def insert(market: SellerListing, piece: Piece) -> None:
        if piece.group.pages > 1 and not hidden:
            top = market.listing(piece)[:100]
            absent = sorted(dense(piece.keys, top[-1][1] + 1, piece.last) - market.rows) or top[:99]
            hidden.append(absent[int(place * len(absent))])
            market.rows.add(hidden[0])

    buyer = Buyer(SellerListing(SIGNALS, rows, between=insert))
    if listed is RAGGED["dense"]:
        chained = next(p for p in buyer.plan(keys(13), TODAY - 32, TODAY - 4).pieces if p.group.pages > 1)
        rows.discard((chained.keys[3], chained.last - int(8 * place)))
    billed = buyer.plan(keys(13), TODAY - 32, TODAY - 4).calls
    paid = buyer.fill(keys(13), TODAY - 32, TODAY - 4)
    assert hidden
    assert hidden[0] in {cell for answers in buyer.answers.values() for answer in answers for cell in answer.cells}
    assert paid <= billed + 1


def test_a_row_that_comes_late_into_a_page_only_listing_is_found_with_one_call() -> None:
    last = today(HOURLY_SIGNALS)
    late = ("3003", last - 5)
    buyer = Buyer(SellerListing(HOURLY_SIGNALS, dense(keys(10), last - 200, last) - {late}))
    buyer.market.between = lambda market, _: market.rows.add(late)
    billed = buyer.plan(keys(10), last - 29, last).calls
    assert (billed, buyer.fill(keys(10), last - 29, last)) == (3, 4)
    assert buyer.market.asked[-1].keys == ("3003",)


def test_a_page_only_listing_of_one_token_is_not_bought_twice_by_the_same_request() -> None:
    """There are no others: what came late is seen in the next bucket."""
    last = today(HOURLY_SIGNALS)
    late = ("3000", last - 5)
    buyer = Buyer(SellerListing(HOURLY_SIGNALS, dense(keys(1), last - 200, last + 1) - {late}))
    buyer.market.between = lambda market, _: market.rows.add(late)
    assert buyer.fill(keys(1), last - 149, last) == 2
    assert late not in buyer.knows()
    later = AT + timedelta(hours=1)
    assert buyer.fill(keys(1), last - 23, last + 1, later) == 1
    assert late in buyer.knows(later)
