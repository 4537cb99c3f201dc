"""Coverage: what pages of answers cover, and what the planner then leaves out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sources import registry
from sources.coverage.cover import CoveredSpan
from sources.planner import plan as planner
from sources.planner.pieces import Piece
from sources.slots import slot, start_of
from tests.warehouse.deliveries import DAY, T0, MemoryLedger, body, grade, grades, pieces
from tests.warehouse.sample_deliveries import HOUR, moonshot
from warehouse.cache.store import Cache
from warehouse.coverage import record
from warehouse.coverage.held import beginnings, held
from warehouse.load.self_repair import load

HISTORY = registry.dataset("tm-grade-history")
ACTIVE = registry.dataset("moonshot-tokens")
PAST = registry.dataset("moonshot-tokens-past")


def missing(
    cache: Cache, name: str, keys: Sequence[str], first: datetime, last: datetime, at: datetime, rows: int | None = None
) -> planner.Plan:
    """Plan what a run at `at` would buy."""
    dataset = registry.dataset(name)
    a, b = slot(dataset, first), slot(dataset, last)
    cells = held(cache, dataset, keys, a, b, at)
    return planner.plan(dataset, keys, a, b, cells, at, at, rows)


def answer(books: MemoryLedger, piece: Piece, at: datetime, skip: Sequence[int] = ()) -> None:
    """The page of a listing of grades, newest first, as the seller would give it."""
    asked = [
        grade(int(key), datetime.fromtimestamp(number * 86400, T0.tzinfo))
        for number in range(piece.last, piece.first - 1, -1)
        for key in piece.keys
        if number not in skip
    ]
    size = piece.group.limit or len(asked)
    start = (piece.page - 1) * size
    books.deliver(piece, body(*asked[start : start + size]), at)


def test_buying_what_is_missing_leaves_nothing_missing(tmp_path: Path) -> None:
    """Page after page, each loaded before the next is planned; then a run costs nothing."""
    cache, books = Cache(tmp_path), MemoryLedger()
    load(cache, books)
    keys = [str(number) for number in range(1, 8)]
    bought = 0
    while (todo := missing(cache, HISTORY.name, keys, T0 - DAY * 60, T0 - DAY, T0, rows=40)).pieces:
        for piece in todo.pieces:
            answer(books, piece, T0)
            bought += 1
        load(cache, books)
    assert bought == sum(1 for _ in books.held)
    assert (todo.missing_cells, todo.calls) == (0, 0)
    with cache.open() as con:
        assert con.execute("SELECT count(*) FROM coverage_pages").fetchall() == [(0,)]
        assert con.execute("SELECT count(*) FROM coverage_open").fetchall() == [(0,)]


def in_pages_of(size: int) -> Piece:
    """The first page of one token's 29 days, when the seller gives so many rows a page."""
    [piece] = pieces(HISTORY.name, ["1"], T0 - DAY * 29, T0 - DAY, T0)
    return replace(piece, group=replace(piece.group, limit=size))


def test_a_listing_begun_goes_on_with_its_next_page(tmp_path: Path) -> None:
    cache, books = Cache(tmp_path), MemoryLedger()
    first = in_pages_of(10)
    answer(books, first, T0)
    load(cache, books)
    for page, left in ((2, 19), (3, 9)):
        todo = missing(cache, HISTORY.name, ["1"], T0 - DAY * 29, T0 - DAY, T0)
        assert (todo.pieces[0].page, todo.missing_cells, len(todo.pieces)) == (page, left, 1)
        assert todo.pieces[0].group == first.group
        answer(books, todo.pieces[0], T0 + HOUR * page)
        load(cache, books)
    assert not missing(cache, HISTORY.name, ["1"], T0 - DAY * 29, T0 - DAY, T0).pieces


def test_a_second_page_alone_covers_nothing(tmp_path: Path) -> None:
    cache, books = Cache(tmp_path), MemoryLedger()
    piece = in_pages_of(20)
    answer(books, replace(piece, page=2), T0)
    answer(books, piece, T0 + HOUR)
    load(cache, books.only(1))
    assert missing(cache, HISTORY.name, ["1"], T0 - DAY * 29, T0 - DAY, T0).missing_cells == 29
    load(cache, books)
    assert missing(cache, HISTORY.name, ["1"], T0 - DAY * 29, T0 - DAY, T0).missing_cells == 0


def test_what_moves_yet_is_held_for_its_bucket_and_due_in_the_next(tmp_path: Path) -> None:
    """The row of today is asked for again tomorrow; a day that is settled never is."""
    cache, books = Cache(tmp_path), MemoryLedger()
    [piece, *_] = pieces(HISTORY.name, ["1"], T0 - DAY * 9, T0, T0)
    answer(books, piece, T0)
    load(cache, books)
    assert missing(cache, HISTORY.name, ["1"], T0 - DAY * 9, T0, T0 + HOUR).missing_cells == 0
    tomorrow = missing(cache, HISTORY.name, ["1"], T0 - DAY * 9, T0, T0 + DAY)
    assert tomorrow.missing_cells == 1
    assert held(cache, HISTORY, ["1"], 0, 99999, T0 + DAY).spans["1"] == ((piece.first, piece.last - 1),)


def test_a_day_without_a_row_is_no_day_held(tmp_path: Path) -> None:
    """It is not due again in the bucket of its answer, and missing in the next."""
    cache, books = Cache(tmp_path), MemoryLedger()
    [piece, *_] = pieces(HISTORY.name, ["1"], T0 - DAY * 9, T0, T0)
    old, recent = slot(HISTORY, T0 - DAY * 8), slot(HISTORY, T0 - DAY * 2)
    answer(books, piece, T0, skip=[old, recent])
    load(cache, books)
    assert missing(cache, HISTORY.name, ["1"], T0 - DAY * 9, T0, T0).missing_cells == 0
    cells = held(cache, HISTORY, ["1"], 0, 99999, T0 + DAY)
    assert cells.spans["1"] == ((piece.first, old - 1), (old + 1, recent - 1), (recent + 1, piece.last - 1))
    todo = missing(cache, HISTORY.name, ["1"], T0 - DAY * 9, T0, T0 + DAY)
    assert sum(each.slots for each in todo.unconfirmed) == 2


def test_what_is_not_delivered_is_the_same_after_a_rebuild_in_any_order(tmp_path: Path) -> None:
    """I8: coverage is made of facts alone."""
    cache, books = Cache(tmp_path), MemoryLedger()
    load(cache, books)
    days = range(slot(HISTORY, T0 - DAY * 9), slot(HISTORY, T0))
    for later, skip in ((0, days[2:5]), (1, days[3:5]), (4, days[3:4])):
        at = T0 + DAY * later
        for piece in missing(cache, HISTORY.name, ["1", "2"], T0 - DAY * 9, T0 - DAY, at).pieces:
            answer(books, piece, at, skip)
        load(cache, books)
    again = Cache(tmp_path / "again")
    load(again, MemoryLedger(books.held[::-1]))
    at = T0 + DAY * 5
    states = [held(each, HISTORY, ["1", "2"], days[0], days[-1], at) for each in (cache, again)]
    assert states[0] == states[1]
    assert [(cells.first, cells.last, cells.asked) for cells in states[0].absent["1"]] == [(days[3], days[3], 3)]
    facts = []
    for each in (cache, again):
        with each.open() as con:
            facts.append(con.execute("FROM coverage_absent ORDER BY ALL").fetchall())
    assert facts[0] == facts[1]


def test_pages_that_the_seller_cuts_are_read_on_and_asked_for_in_its_size(tmp_path: Path) -> None:
    """Fifty rows of a hundred asked for, newest first: the second page is the next request, and later plans ask for
    fifty."""
    cache, books = Cache(tmp_path), MemoryLedger()
    load(cache, books)
    keys, begin, end = [str(number) for number in range(1, 11)], T0 - DAY * 13, T0 - DAY * 4
    pages = []
    while left := missing(cache, HISTORY.name, keys, begin, end, T0).pieces:
        [piece] = left
        pages.append((piece.page, dict(piece.params)["limit"]))
        rows = [
            grade(int(key), datetime.fromtimestamp(number * 86400, T0.tzinfo))
            for number in range(piece.last, piece.first - 1, -1)
            for key in piece.keys
        ]
        books.deliver(piece, body(*rows[piece.page * 50 - 50 : piece.page * 50], length=50), T0)
        load(cache, books)
    assert pages == [(1, "100"), (2, "100")]
    assert held(cache, HISTORY, keys, 0, 99999, T0).absent == {}
    later = missing(cache, HISTORY.name, keys, begin - DAY * 10, begin - DAY, T0 + DAY)
    assert {dict(piece.params)["limit"] for piece in later.pieces} == {"50"}
    forgotten = missing(cache, HISTORY.name, keys, begin - DAY * 10, begin - DAY, T0 + DAY * 40)
    assert {dict(piece.params)["limit"] for piece in forgotten.pieces} == {"100"}


def test_a_row_that_came_between_pages_is_found_with_one_call(tmp_path: Path) -> None:
    """Rows in every third cell are absent: fifty may be the hidden one. The first page that asks again brings it."""
    cache, books = Cache(tmp_path), MemoryLedger()
    load(cache, books)
    keys = [str(number) for number in range(1, 14)]
    begin, end = T0 - DAY * 32, T0 - DAY * 4
    first, last = slot(HISTORY, begin), slot(HISTORY, end)
    billed = missing(cache, HISTORY.name, keys, begin, end, T0)
    [chained] = [piece for piece in billed.pieces if piece.group.pages > 1]
    late = chained.keys[4], chained.last - 4
    listing = {(key, n) for key in keys for n in range(first, last + 1) if (int(key) + n) % 3} - {late}
    asked = 0
    while left := missing(cache, HISTORY.name, keys, begin, end, T0).pieces:
        for piece in left:
            listed = [(n, key) for key, n in listing if key in piece.keys and piece.first <= n <= piece.last]
            rows = [grade(int(key), start_of(HISTORY, n)) for n, key in sorted(listed, reverse=True)]
            books.deliver(piece, body(*rows[piece.page * 100 - 100 : piece.page * 100]), T0)
            asked += 1
        listing.add(late)
        load(cache, books)
    assert asked == billed.calls + 1
    assert held(cache, HISTORY, keys, first, last, T0).spans == dict.fromkeys(keys, ((first, last),))
    with cache.open() as con:
        number, day = int(late[0]), f"{start_of(HISTORY, late[1]):%Y-%m-%d}"
        assert con.execute("SELECT count(*) FROM grades WHERE token_id = ? AND date = ?", [number, day]).fetchone() == (
            1,
        )


def test_a_listing_that_shifted_is_read_again_down_to_the_shift(tmp_path: Path) -> None:
    """An open pick moved from the second page to the first while the list was read: it was on neither."""
    cache, books = Cache(tmp_path), MemoryLedger()
    load(cache, books)
    picks = [moonshot(number) for number in range(150)]
    moved = picks.pop(120)
    answers = [
        [*picks[:60], moonshot(999), *picks[60:99]],
        [*picks[99:]],
        [moved, *picks[:60], moonshot(999), *picks[60:98]],
    ]
    answers[1].insert(0, answers[0][-1])
    asked = []
    for rows in answers:
        [piece] = missing(cache, ACTIVE.name, ["*"], T0, T0, T0).pieces
        asked.append((piece.page, piece.edition))
        books.deliver(piece, body(*rows), T0)
        load(cache, books)
    assert [page for page, _ in asked] == [1, 2, 1]
    assert len({edition for _, edition in asked}) == 2
    assert not missing(cache, ACTIVE.name, ["*"], T0, T0, T0).pieces
    [again, *_] = [missing(cache, ACTIVE.name, ["*"], later, later, later) for later in (T0 + DAY,)]
    assert again.calls == 2, "the bill of the next counts the pages of the whole list"


def test_the_first_row_of_a_token_is_known_where_the_day_before_was_answered_without_one(tmp_path: Path) -> None:
    """Token 1 has rows from the fifth day on, token 2 from the first that was ever asked for."""
    cache, books = Cache(tmp_path), MemoryLedger()
    load(cache, books)
    begin, end = T0 - DAY * 30, T0 - DAY * 20
    absent = range(slot(HISTORY, begin), slot(HISTORY, begin) + 4)
    for key, skip in (("1", absent), ("2", ())):
        for piece in pieces(HISTORY.name, [key], begin, end, T0):
            answer(books, piece, T0, skip)
    load(cache, books)
    assert beginnings(cache, HISTORY, ["1", "2", "3"]) == {"1": absent.stop}


def test_a_listing_that_grows_at_its_top_is_read_down_to_what_is_known(tmp_path: Path) -> None:
    cache, books = Cache(tmp_path), MemoryLedger()
    load(cache, books)
    picks = [moonshot(number) for number in range(250)]
    for page in range(3):
        todo = missing(cache, PAST.name, ["*"], T0, T0, T0)
        assert [piece.page for piece in todo.pieces] == [page + 1]
        books.deliver(todo.pieces[0], body(*picks[page * 100 : page * 100 + 100]), T0 + HOUR * page)
        load(cache, books)
    assert not missing(cache, PAST.name, ["*"], T0, T0, T0).pieces
    later = T0 + DAY
    todo = missing(cache, PAST.name, ["*"], later, later, later)
    books.deliver(todo.pieces[0], body(*[moonshot(number) for number in range(300, 320)], *picks[:80]), later)
    load(cache, books)
    assert not missing(cache, PAST.name, ["*"], later, later, later).pieces


def test_a_listing_whose_top_is_all_new_is_read_on(tmp_path: Path) -> None:
    """A listing broken off yesterday is no proof that what is below its rows was ever cells."""
    cache, books = Cache(tmp_path), MemoryLedger()
    [piece] = [each for each in pieces(PAST.name, ["*"], T0, T0, T0) if each.page == 1]
    books.deliver(piece, body(*[moonshot(number) for number in range(30)]), T0)
    day2, day3 = T0 + DAY, T0 + DAY * 2
    fresh = [moonshot(number) for number in range(100, 350)]
    [piece] = [each for each in pieces(PAST.name, ["*"], day2, day2, day2) if each.page == 1]
    books.deliver(piece, body(*fresh[:100]), day2)
    [piece] = [each for each in pieces(PAST.name, ["*"], day3, day3, day3) if each.page == 1]
    books.deliver(piece, body(*fresh[:100]), day3)
    load(cache, books)
    assert [each.page for each in missing(cache, PAST.name, ["*"], day3, day3, day3).pieces] == [2]


class Moonshots:
    """A seller that lists closed picks by the day they were picked, and a buyer who looks once a day."""

    def __init__(self, home: Path) -> None:
        self.cache, self.books, self.time = Cache(home), MemoryLedger(), T0
        load(self.cache, self.books)

    def look(self, active: Sequence[int], past: Sequence[int]) -> list[int]:
        """Both listings as of a day; the pages of the second that were bought."""
        self.time += DAY
        self._buy(ACTIVE.name, active)
        return self._buy(PAST.name, past)

    def _buy(self, name: str, listed: Sequence[int]) -> list[int]:
        asked = []
        while left := missing(self.cache, name, ["*"], self.time, self.time, self.time).pieces:
            for piece in left:
                asked.append(piece.page)
                rows = [moonshot(number) for number in listed[piece.page * 100 - 100 : piece.page * 100]]
                ends = {"MOONSHOT_END_AT": None} if name == ACTIVE.name else {}
                when = self.time + timedelta(minutes=len(self.books.held))
                self.books.deliver(piece, body(*(row | ends for row in rows)), when)
            load(self.cache, self.books)
        return asked


@pytest.mark.parametrize("rebuilt", [False, True], ids=["as it came", "rebuilt from the ledger"])
def test_a_pick_that_closed_deep_in_the_listing_is_read_on_for(tmp_path: Path, rebuilt: bool) -> None:
    """Pick 120 was open, and stands on the second page once it has closed: the first brings nothing new."""
    seller = Moonshots(tmp_path)
    others = [number for number in range(300, 50, -1) if number != 120]
    assert seller.look([400, 120], others) == [1, 2, 3]
    assert seller.look([400, 120], others) == [1]
    if rebuilt:
        seller.cache = Cache(tmp_path / "again")
        load(seller.cache, seller.books)
    assert seller.look([400], range(300, 50, -1)) == [1, 2]
    assert seller.look([400], range(300, 50, -1)) == [1]
    with seller.cache.open() as con:
        ended = con.execute("SELECT moonshot_end_at IS NOT NULL FROM moonshots WHERE token_symbol = 'M120'").fetchall()
    assert ended == [(True,)]


def test_a_pick_that_is_nowhere_is_sought_once(tmp_path: Path) -> None:
    seller = Moonshots(tmp_path)
    assert seller.look([400, 120], range(1000, 200, -1)) == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert seller.look([400], range(1000, 200, -1)) == [1, 2, 3, 4, 5, 6]
    assert seller.look([400], range(1000, 200, -1)) == [1]


@pytest.mark.parametrize(
    ("spans", "flat"),
    [
        ([(1, 5, 9, True), (4, 8, 7, True)], [(1, 8, 0, True)]),
        ([(1, 3, 9, True), (4, 4, 9, False)], [(1, 3, 0, True), (4, 4, 9, False)]),
        ([(1, 9, 5, False), (4, 6, 7, False)], [(4, 6, 7, False), (1, 3, 5, False), (7, 9, 5, False)]),
        ([(1, 9, 5, False), (1, 9, 7, False), (2, 3, 1, True)], [(2, 3, 0, True), (1, 1, 7, False), (4, 9, 7, False)]),
        ([(1, 2, 5, False), (1, 2, 9, True)], [(1, 2, 0, True)]),
    ],
    ids=["settled spans join", "kinds stay apart", "the later bucket wins", "settled wins", "settled replaces"],
)
def test_spans_of_a_key_have_one_form(spans: list[Any], flat: list[Any]) -> None:
    covered = [CoveredSpan("1", *span) for span in spans]
    for order in (covered, covered[::-1]):
        assert record.flattened(order) == [CoveredSpan("1", *span) for span in flat]


def test_five_thousand_tokens_of_a_year_are_looked_up_in_a_moment(tmp_path: Path) -> None:
    cache, books = Cache(tmp_path), MemoryLedger()
    load(cache, books)
    first, last = slot(HISTORY, T0 - DAY * 365), slot(HISTORY, T0 - DAY)
    keys = [str(number) for number in range(5000)]
    with cache.open() as con:
        record.add_spans(con, HISTORY.name, [CoveredSpan(key, first, last, 0, True) for key in keys])
    took = []
    for _ in range(3):
        started = time.process_time()
        cells = held(cache, HISTORY, keys, first, last, T0)
        took.append(time.process_time() - started)
    assert len(cells.spans) == 5000
    assert min(took) < 0.3


def test_keys_that_were_not_asked_for_are_not_told(tmp_path: Path) -> None:
    cache, books = Cache(tmp_path), MemoryLedger()
    for piece in pieces(HISTORY.name, ["1", "2", "3"], T0 - DAY * 9, T0 - DAY * 5, T0):
        books.deliver(piece, grades([1, 2, 3], T0 - DAY * 9, 5), T0 + timedelta(hours=1))
    load(cache, books)
    cells = held(cache, HISTORY, ["2"], slot(HISTORY, T0 - DAY * 9), slot(HISTORY, T0 - DAY * 5), T0)
    assert list(cells.spans) == ["2"]
    assert held(cache, HISTORY, ["2"], slot(HISTORY, T0 - DAY * 4), slot(HISTORY, T0), T0).spans == {}
