"""Cells asked for again: by the planner, because it was not delivered; by an operator, whatever is held."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from sources import registry
from sources.planner.held import HeldCells
from sources.planner.plan import Plan, plan
from tests.sources.buyer import AT, Buyer, SellerListing, dense, keys, today

SIGNALS = registry.dataset("trading-signals")
TODAY = today(SIGNALS)
OLD = TODAY - 40
DAY = timedelta(days=1)


def again(buyer: Buyer, complete: frozenset[str] = frozenset(), days: int = 0) -> Plan:
    at = AT + days * DAY
    held = replace(buyer.held(at), complete=complete)
    return plan(SIGNALS, keys(3), OLD, OLD + 9, held, at, at, again=True)


def filled() -> Buyer:
    buyer = Buyer(SellerListing(SIGNALS, dense(keys(3), OLD, OLD + 9)))
    buyer.fill(keys(3), OLD, OLD + 9)
    return buyer


def test_an_operator_asks_again_for_what_is_held() -> None:
    buyer = filled()
    assert buyer.plan(keys(3), OLD, OLD + 9).pieces == ()
    found = again(buyer)
    assert (found.calls, found.missing_cells, found.avoided) == (1, 30, ())
    assert [piece.edition for piece in found.pieces] == ["final+again-2026-11-22"]


def test_on_one_day_it_is_one_purchase_and_on_the_next_another() -> None:
    """However often it is begun on a day, the requests are the same, and so are their nonces."""
    buyer = filled()
    one, two, next_day = again(buyer), again(buyer), again(buyer, days=1)
    assert one == two
    assert [piece.params for piece in next_day.pieces] == [piece.params for piece in one.pieces]
    assert {piece.edition for piece in next_day.pieces}.isdisjoint(piece.edition for piece in one.pieces)


def test_what_is_complete_on_that_day_is_left_out() -> None:
    buyer = filled()
    group = again(buyer).pieces[0].group
    assert again(buyer, complete=frozenset({group.id})).pieces == ()


def test_a_group_of_pages_that_was_begun_on_that_day_goes_on() -> None:
    buyer = Buyer(SellerListing(SIGNALS, dense(keys(13), OLD, OLD + 28)))
    buyer.fill(keys(13), OLD, OLD + 28)
    ask = (SIGNALS, keys(13), OLD, OLD + 28)
    whole = plan(*ask, HeldCells(), AT, AT, again=True)
    chained = next(piece for piece in whole.pieces if piece.group.pages > 1)
    buyer.take(chained, AT)
    rest = plan(*ask, buyer.held(AT), AT, AT, again=True)
    assert [piece.page for piece in rest.pieces if piece.group == chained.group] == [2]
    assert rest.calls == whole.calls - 1


def test_what_was_not_delivered_is_asked_for_in_the_bucket_of_the_run() -> None:
    """`final` was bought: the same request in the same edition would be the same purchase."""
    rows = dense(keys(3), OLD, OLD + 9) - {(keys(3)[1], OLD + 4)}
    buyer = Buyer(SellerListing(SIGNALS, rows))
    buyer.fill(keys(3), OLD, OLD + 9)
    assert {piece.edition for piece in buyer.market.asked} == {"final"}
    assert buyer.plan(keys(3), OLD, OLD + 9).pieces == ()
    later = buyer.plan(keys(3), OLD, OLD + 9, AT + DAY)
    assert [piece.edition for piece in later.pieces] == ["day:2026-11-23"]
    assert [(cells.first, cells.slots) for cells in later.unconfirmed] == [(OLD + 4, 1)]
    assert (later.missing_cells, later.confirmed_empty) == (1, 0)


def test_a_call_that_is_not_due_yet_is_no_call_saved() -> None:
    buyer = Buyer(SellerListing(SIGNALS, dense(keys(3), OLD, OLD + 9) - {(keys(3)[1], OLD + 4)}))
    buyer.fill(keys(3), OLD, OLD + 9)
    assert buyer.plan(keys(3), OLD, OLD + 9).avoided == ()


def test_one_key_that_lacks_old_hours_does_not_make_all_keys_deep() -> None:
    """Of a listing without dates: fifty tokens' newest hour, and one that is missing since a day."""
    hourly = registry.dataset("hourly-trading-signals")
    here = today(hourly)
    spans = dict.fromkeys(keys(50)[1:], ((here - 24, here - 1),))
    found = plan(hourly, keys(50), here - 24, here, HeldCells(spans), AT, AT)
    assert found.calls == 2
    assert {len(piece.keys) for piece in found.pieces} == {1, 49}
