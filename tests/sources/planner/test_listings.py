"""Plans of listings, whose length nobody knows before the last page."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sources import registry
from sources.planner.held import HeldCells
from sources.planner.plan import plan
from tests.sources.buyer import AT, Buyer, SellerListing, dense, keys, today

HOURLY_SIGNALS = registry.dataset("hourly-trading-signals")


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
    found = plan(moonshots, ("*",), here, here, HeldCells(listing_rows=250), AT, AT)
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
    assert len(plan(tokens, ("*",), here, here, held, AT, AT).avoided) == 3


def test_a_listing_worth_one_page_is_asked_for_one_page() -> None:
    for name in ("top-market-cap-tokens", "sentiments"):
        dataset = registry.dataset(name)
        here = today(dataset)
        found = plan(dataset, ("*",), here, here, HeldCells(listing_rows=900), AT, AT)
        assert (found.calls, found.open_ended) == (1, False)


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
    found = plan(HOURLY_SIGNALS, keys(2), here - 240, here, HeldCells(), AT, AT)
    assert (found.calls, found.pieces[0].first, found.pieces[0].last) == (5, here - 240, here)
