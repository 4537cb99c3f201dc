"""Whether the data can be trusted, in words an analyst can query."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.warehouse.books import DAY, T0, Books, grades, pieces
from tests.warehouse.story import story
from tollbook.warehouse.cache import Cache

GRADES = "dataset = 'tm-grade-history'"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    """The story, loaded."""
    own = Cache(tmp_path_factory.mktemp("quality"))
    own.load(story())
    return own


def rows(cache: Cache, query: str) -> list[tuple[Any, ...]]:
    with cache.open() as con:
        return con.execute(query).fetchall()


def test_every_view_is_there_before_anything_is_bought(tmp_path: Path) -> None:
    names = ("freshness", "gaps", "duplicates", "quarantined", "drift", "summary")
    with Cache(tmp_path).open() as con:
        for name in names:
            assert con.execute(f"SELECT count(*) FROM quality_{name}").fetchall() == [(0,)]


def test_freshness_is_judged_by_the_datasets_own_cadence(cache: Cache) -> None:
    found = rows(cache, f"SELECT newest_slot, due_at, late, last_delivery FROM quality_freshness WHERE {GRADES}")
    newest = datetime(2025, 6, 25, tzinfo=UTC)
    due = datetime(2025, 6, 27, 6, tzinfo=UTC)
    assert found == [(newest, due, True, story().held[-1].received_at)]


def test_a_dataset_that_is_up_to_date_is_not_late(tmp_path: Path) -> None:
    cache, books = Cache(tmp_path), Books()
    now = datetime.now(UTC)
    [piece, *_] = pieces("tm-grade-history", ["1"], now - DAY, now, now)
    books.deliver(piece, grades([1], now - DAY, 2), now)
    cache.load(books)
    assert rows(cache, "SELECT late FROM quality_freshness") == [(False,)]


def test_slots_that_were_never_answered_are_gaps(tmp_path: Path) -> None:
    cache, books = Cache(tmp_path), Books()
    for start in (40, 20):
        [piece, *_] = pieces("tm-grade-history", ["1"], T0 - DAY * start, T0 - DAY * (start - 4), T0)
        books.deliver(piece, grades([1], T0 - DAY * start, 5), T0)
    cache.load(books)
    midnight = T0.replace(hour=0)
    found = rows(cache, "SELECT key, first_slot, last_slot, slots, can_be_bought FROM quality_gaps")
    assert found == [("1", midnight - DAY * 35, midnight - DAY * 21, 15, True)]


def test_rows_bought_again_for_nothing_are_counted(tmp_path: Path) -> None:
    cache, books = Cache(tmp_path), Books()
    for day in range(3):
        [piece, *_] = pieces("tm-grade-history", ["1"], T0 - DAY * 9, T0 - DAY * 5, T0 + DAY * day)
        books.deliver(piece, grades([1], T0 - DAY * 9, 5), T0 + DAY * day)
    cache.load(books)
    assert rows(cache, "FROM quality_duplicates") == [("tm-grade-history", 15, 10, 0)]


def test_unreadable_rows_are_counted_by_reason(cache: Cache) -> None:
    found = rows(cache, "SELECT reason, rows, purchases FROM quality_quarantined ORDER BY reason")
    assert found == [
        ("a second row of the same key with other values", 1, 1),
        ("failed body: try later", 1, 1),
        ("malformed body: not JSON", 1, 1),
        ("not a row of named values", 1, 1),
        ("tm_grade: not a number", 1, 1),
    ]


def test_drift_names_the_column_and_when_it_was_first_seen(cache: Cache) -> None:
    found = rows(cache, "SELECT \"column\", change, first_seen, detail FROM quality_drift WHERE change = 'new'")
    assert found == [("brand_new", "new", story().held[12].received_at, "integer")]


def test_the_summary_has_a_line_per_dataset_that_adds_up(cache: Cache) -> None:
    found = rows(cache, "SELECT dataset, deliveries, failed_bodies, columns_drifted > 0 FROM quality_summary")
    assert found == [
        ("moonshot-tokens", 1, 0, False),
        ("moonshot-tokens-past", 3, 0, False),
        ("tm-grade", 1, 0, False),
        ("tm-grade-history", 9, 2, True),
    ]
