"""The bill: what a plan costs, before anything is signed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from payer.values.money import Asset
from payer.values.request import Order, Request
from tasks.buy.bill import Bill, Item, Line, Saved, plan_document
from tasks.buy.caps import CapLine

USDC = Asset("USDC", 31337, "0x" + "11" * 20, "USD Coin", "2", 6)
TMAI = Asset("TMAI", 31337, "0x" + "22" * 20, "TMAI", "1", 18)


def item(page: int, price: int | None = 17_000, first: int = 0) -> Item:
    request = Request("GET", "https://seller.example/v2/grades", (("page", str(page)),))
    return Item(Order(request, "final", "seller", "grades", {"first": first, "page": page}), price, rows=100)


def bill(*items: Item, asset: Asset = USDC, later: tuple[Item, ...] = ()) -> Bill:
    return Bill("grades", asset, (Line("grades", 10, items, later=later),))


def test_later_pages_are_on_the_bill_and_not_among_what_can_be_bought_now() -> None:
    found = bill(item(1), later=(item(2), item(3)))
    assert (found.calls, found.amount_atomic, len(found.items)) == (3, 51_000, 1)


def test_items_are_bought_oldest_first() -> None:
    found = bill(item(1, first=30), item(2, first=10), item(1, first=10))
    assert [(i.order.context["first"], i.order.context["page"]) for i in found.items] == [(10, 1), (10, 2), (30, 1)]


def test_an_unknown_price_is_said_as_unknown_never_as_nothing() -> None:
    """I9."""
    [document] = bill(item(1, price=None)).documents()
    assert document["requests"][0]["price"] is None
    assert bill().money(None) == "unknown"
    assert Bill("f", USDC, (Line("d", 0, (), saved=Saved(2, None)),)).saved == Saved(2, None)


@pytest.mark.parametrize(
    "other",
    [
        bill(item(1), item(3)),
        bill(item(1), item(2, price=17_001)),
        bill(item(1), replace(item(2), order=replace(item(2).order, edition="day:2026-11-23"))),
        bill(item(1)),
    ],
    ids=["another request", "another price", "another edition", "one less"],
)
def test_an_approval_is_bound_to_requests_editions_and_prices(other: Bill) -> None:
    ours = bill(item(1), item(2))
    assert ours.fingerprint == bill(item(1), item(2)).fingerprint
    assert ours.fingerprint != other.fingerprint


CAPS = (
    CapLine("caps.USDC.per_call", USDC, 20_000, 0, 17_000),
    CapLine("caps.USDC.per_run", USDC, 100_000, 0, 51_000),
    CapLine("caps.USDC.per_day", USDC, 500_000, 420_000, 471_000),
)


@pytest.mark.parametrize(
    ("listing", "most"),
    [
        ({}, 34_000),
        ({"may_grow": True}, 63_000),
        ({"may_grow": True, "most_calls": 3}, 51_000),
        ({"may_grow": True, "most_calls": 9}, 63_000),
        ({"may_grow": True, "most_calls": 1}, 34_000),
    ],
    ids=["known", "by the caps", "by its pages", "by the caps before its pages", "never less than it lists"],
)
def test_a_listing_says_what_it_may_cost_at_most(listing: dict[str, Any], most: int) -> None:
    """The other line of the bill, of 17000, counts in the same caps."""
    line = Line("listing", 10, (item(1),), later=(item(2),), **listing)
    whole = Bill("signals", USDC, (line, Line("grades", 1, (item(3),))), caps=CAPS)
    assert whole.at_most(line) == most
    assert whole.documents()[0]["at_most"] == whole.money(most)


def test_a_listing_whose_price_or_caps_are_unknown_may_cost_an_unknown_amount() -> None:
    """I9."""
    unknown = Line("listing", 10, (item(1, price=None),), may_grow=True)
    assert Bill("signals", USDC, (unknown,), caps=CAPS).at_most(unknown) is None
    growing = Line("listing", 10, (item(1),), may_grow=True)
    assert Bill("signals", USDC, (growing,)).at_most(growing) is None


def test_flows_paid_in_several_assets_have_amounts_and_no_single_amount() -> None:
    document = plan_document([bill(item(1)), bill(item(1, price=10**18), asset=TMAI)])
    assert document["amount"] is None
    assert document["amounts"] == {"USDC": "0.017", "TMAI": "1"}
