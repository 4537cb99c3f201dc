"""Pages that a seller cut off: read on; pages that are short because there is no more: the end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sources import registry
from sources.coverage.cover import cover
from sources.coverage.delivered_page import Cell, DeliveredPage, page_size, proved_page_size, reads_on
from sources.planner.pieces import Group, Piece
from tests.sources.buyer import AT, Buyer, SellerListing, dense, keys, today
from tests.sources.coverage.test_cover import group, newest_first, page

SIGNALS = registry.dataset("trading-signals")
GRADE = registry.dataset("tm-grade")
TODAY = today(SIGNALS)
OLD = TODAY - 40


def first_page(count: int, days: int, rows: int, stated: int | None = None) -> DeliveredPage:
    """The newest `rows` rows of so many keys and days."""
    own = group(count, OLD, OLD + days - 1)
    return replace(page(own, 1, newest_first(count, OLD, OLD + days - 1)[:rows]), stated=stated)


@pytest.mark.parametrize(
    ("found", "goes_on"),
    [
        (first_page(10, 10, 50), True),
        (first_page(10, 10, 57), True),
        (first_page(1, 29, 20), True),
        (first_page(1, 29, 17), False),
        (first_page(1, 10, 5, stated=10), True),
        (first_page(1, 10, 5, stated=5), False),
        (first_page(1, 10, 10, stated=10), False),
        (first_page(10, 10, 0, stated=10), False),
        (first_page(10, 10, 100), False),
    ],
    ids=[
        "fifty of a hundred",
        "cut within a day",
        "one key, as many as page sizes have",
        "one key, any number: its rows begin there",
        "the seller says there are more",
        "the seller says there are no more",
        "all that was asked for",
        "no row at all",
        "a full page is no short one",
    ],
)
def test_a_short_page_that_looks_cut_is_read_on(found: DeliveredPage, goes_on: bool) -> None:
    assert reads_on(SIGNALS, [found]) is goes_on
    assert cover(SIGNALS, [found]).complete is not goes_on


def test_keys_that_are_missing_throughout_are_not_cut_off() -> None:
    own = group(10, OLD, OLD + 9)
    found = page(own, 1, [cell for cell in newest_first(10, OLD, OLD + 9) if cell[0] < "3005"])
    assert found.rows == 50
    assert not reads_on(SIGNALS, [found])


@pytest.mark.parametrize(("rows", "goes_on"), [(50, True), (99, False)])
def test_a_snapshot_with_half_a_page_of_its_keys_is_read_on(rows: int, goes_on: bool) -> None:
    own = group(100, TODAY, TODAY, edition="day:2026-11-22", dataset=GRADE)
    assert reads_on(GRADE, [page(own, 1, [(key, TODAY) for key in keys(rows)])]) is goes_on


def test_a_listing_of_unknown_length_is_read_on_after_a_page_of_fifty() -> None:
    picks = registry.dataset("moonshot-tokens")
    own = Group(picks.name, "6h:2026-11-22T06", today(picks), ("*",), today(picks), today(picks), 100, None)
    for rows, goes_on in ((50, True), (43, False)):
        cells: list[Cell] = [(str(number), 0) for number in range(rows)]
        assert reads_on(picks, [page(own, 1, cells)]) is goes_on


def test_the_size_of_the_pages_is_proved_by_a_second_one_with_rows() -> None:
    rows = newest_first(13, OLD, OLD + 28)
    own = group(13, OLD, OLD + 28)
    pages = [page(own, n + 1, rows[n * 50 : n * 50 + 50]) for n in range(8)]
    assert (proved_page_size(pages[:1]), proved_page_size(pages[:2]), page_size(pages[:2])) == (None, 50, 50)
    assert not cover(SIGNALS, pages[:7]).complete
    found = cover(SIGNALS, pages)
    assert (found.complete, found.page_rows, found.absent) == (True, 50, ())


def cut_at(most: int) -> Buyer:
    """A seller whose pages have at most so many rows, whatever it is asked for."""

    class Cutting(SellerListing):
        def answer(self, piece: Piece, received_at: object = AT) -> DeliveredPage:
            start = (piece.page - piece.group.first_page) * min(most, piece.group.limit or most)
            rows = self.listing(piece)[start : start + min(most, piece.group.limit or most)]
            self.asked.append(piece)
            return DeliveredPage(piece.group, piece.page, AT, len(rows), tuple(rows))

    return Buyer(Cutting(SIGNALS, dense(keys(50), TODAY - 60, TODAY)))


@pytest.mark.parametrize("most", [50, 40, 33])
def test_nothing_is_lost_where_a_seller_cuts_its_pages(most: int) -> None:
    buyer = cut_at(most)
    wanted = dense(keys(10), TODAY - 32, TODAY - 4)
    paid = buyer.fill(keys(10), TODAY - 32, TODAY - 4)
    assert buyer.knows() >= wanted
    assert paid <= -(-len(wanted) // most) + len({piece.group.id for piece in buyer.market.asked})
    assert buyer.page_rows == most
    before = len(buyer.market.asked)
    buyer.fill(keys(10), TODAY - 60, TODAY - 33)
    assert {piece.group.limit for piece in buyer.market.asked[before:]} == {most}
