"""Groups that were begun: continued where they serve the demand, and ignored where they don't."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sources import registry
from sources.planner.held import NOTHING_HELD, HeldCells, union
from sources.planner.plan import plan
from tests.sources.buyer import AT, Buyer, SellerListing, dense, keys, today

SIGNALS = registry.dataset("trading-signals")
TODAY = today(SIGNALS)


def test_an_interrupted_backfill_goes_on_with_the_requests_it_began_with() -> None:
    buyer = Buyer(SellerListing(SIGNALS, dense(keys(50), TODAY - 400, TODAY)))
    whole = buyer.plan(keys(50), TODAY - 364, TODAY)
    for piece in whole.pieces[:80]:
        buyer.take(piece, AT)
    rest = buyer.plan(keys(50), TODAY - 364, TODAY)
    assert set(rest.pieces) == set(whole.pieces[80:])


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_whatever_part_was_bought_the_rest_costs_no_more_than_what_is_left(data: st.DataObject) -> None:
    """The bill of a backfill holds however often it is killed."""
    count, days = data.draw(st.integers(1, 14)), data.draw(st.integers(1, 80))
    buyer = Buyer(SellerListing(SIGNALS, dense(keys(count), TODAY - days + 1, TODAY)))
    billed = buyer.plan(keys(count), TODAY - days + 1, TODAY).calls
    while pieces := buyer.plan(keys(count), TODAY - days + 1, TODAY).pieces:
        for piece in data.draw(st.lists(st.sampled_from(pieces), min_size=1, max_size=4, unique_by=id)):
            buyer.take(piece, AT)
        assert len(buyer.bought) + buyer.plan(keys(count), TODAY - days + 1, TODAY).calls <= billed
    assert len(buyer.bought) == billed


def test_a_listing_begun_in_this_edition_is_gone_on_with() -> None:
    buyer = Buyer(SellerListing(SIGNALS, dense(keys(13), TODAY - 40, TODAY)))
    wanted = keys(13), TODAY - 32, TODAY - 4
    whole = buyer.plan(*wanted)
    chained = next(piece for piece in whole.pieces if piece.group.pages > 1)
    buyer.take(chained, AT)
    rest = buyer.plan(*wanted)
    assert replace(chained, params=rest.pieces[0].params, page=2) == rest.pieces[0]
    assert rest.calls == whole.calls - 1


def begun_backfill() -> Buyer:
    """Killed after the first page of a group of several; nothing of it is near what is asked for next."""
    buyer = Buyer(SellerListing(SIGNALS, dense(keys(13), TODAY - 200, TODAY)))
    chained = next(piece for piece in buyer.plan(keys(13), TODAY - 32, TODAY - 4).pieces if piece.group.pages > 1)
    buyer.take(chained, AT)
    return buyer


@pytest.mark.parametrize(
    ("wanted", "first", "last", "spans_of"),
    [
        (("9999",), TODAY - 10, TODAY - 10, "all"),
        (("9999",), TODAY - 10, TODAY - 10, "own"),
        (keys(13), TODAY - 150, TODAY - 149, "all"),
        (keys(13), TODAY - 150, TODAY - 149, "own"),
    ],
    ids=[
        "another token",
        "another token, spans as from the cache",
        "an earlier range",
        "an earlier range, spans as from the cache",
    ],
)
def test_an_abandoned_listing_stays_out_of_other_demands(
    wanted: tuple[str, ...], first: int, last: int, spans_of: str
) -> None:
    """The cache gives only spans of wanted keys, and every open group."""
    held = begun_backfill().held(AT)
    spans = held.spans if spans_of == "all" else {}
    found = plan(SIGNALS, wanted, first, last, replace(held, spans=spans), AT, AT)
    assert found.pieces == plan(SIGNALS, wanted, first, last, NOTHING_HELD, AT, AT).pieces


def test_an_abandoned_listing_is_gone_on_with_where_that_is_cheaper() -> None:
    """Two tokens × 22 days lie on its next page; beyond that page it is not read for them."""
    buyer = begun_backfill()
    [begun] = buyer.open_groups.values()
    wanted = begun.group.keys[:2]
    found = buyer.plan(wanted, begun.group.first, begun.group.last)
    assert (found.calls, found.pieces[0].page) == (1, 2)
    long = replace(begun, group=replace(begun.group, rows=900))
    buyer.open_groups = {long.group.id: long}
    found = buyer.plan(wanted, begun.group.first, begun.group.last)
    assert (found.calls, found.pieces[0].page, found.pieces[0].keys) == (1, 1, wanted)


def test_history_counts_as_held_where_a_snapshot_saw_the_day() -> None:
    both = union(HeldCells({"1": ((5, 6),)}), HeldCells({"1": ((7, 9),), "2": ((1, 1),)}))
    assert both.spans == {"1": ((5, 9),), "2": ((1, 1),)}
