"""The quality of the data, in words an analyst can query."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.warehouse.deliveries import DAY, T0, MemoryLedger, body, grade, grades, pieces, replace
from tests.warehouse.purchases import buy, open_ledger
from tests.warehouse.sample_deliveries import story
from warehouse.cache.store import Cache
from warehouse.load.self_repair import load
from warehouse.publish.publish import publish
from warehouse.publish.views.quality import Expected, expect, fact_queries, live_views

GRADES = "dataset = 'tm-grade-history'"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    """The story, loaded."""
    own = Cache(tmp_path_factory.mktemp("quality"))
    load(own, story())
    return own


def rows(cache: Cache, query: str) -> list[tuple[Any, ...]]:
    with cache.open() as con, fact_queries(con) as facts:
        for name, fact in facts.items():
            con.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {fact}")
        for statement in live_views():
            con.execute(statement.replace("VIEW", "TEMP VIEW"))
        return con.execute(query).fetchall()


def test_every_view_is_there_before_anything_is_bought(tmp_path: Path) -> None:
    names = ("freshness", "gaps", "duplicates", "quarantined", "drift", "summary")
    for name in names:
        assert rows(Cache(tmp_path), f"SELECT count(*) FROM quality_{name}") == [(0,)]


def test_freshness_is_judged_by_the_datasets_own_cadence_where_no_schedule_is_known(cache: Cache) -> None:
    columns = "newest_slot, due_at, expected_at, judged_by, late, last_delivery"
    found = rows(cache, f"SELECT {columns} FROM quality_freshness WHERE {GRADES}")
    newest = datetime(2025, 6, 23, tzinfo=UTC)
    due, first_due = datetime(2025, 6, 25, 6, tzinfo=UTC), datetime(2025, 6, 22, 6, tzinfo=UTC)
    assert found == [(newest, due, first_due, "cadence", True, story().held[-1].received_at)]


def snapshots(books: MemoryLedger, tokens: list[int], day: datetime) -> None:
    """One tm-grade page of a day."""
    at = day.replace(hour=7)
    [piece, *_] = pieces("tm-grade", [str(token) for token in tokens], at, at, at)
    books.deliver(piece, body(*({**grade(token, day), "DATE": None} for token in tokens)), at)


def test_one_live_token_does_not_hide_the_dead_ones(tmp_path: Path) -> None:
    cache, books = Cache(tmp_path), MemoryLedger()
    now = datetime.now(UTC)
    snapshots(books, [1, 2, 3], now - 4 * DAY)
    for days in (2, 1, 0):
        snapshots(books, [1], now - days * DAY)
    load(cache, books)
    assert rows(cache, "SELECT late, keys, keys_late FROM quality_freshness") == [(True, 3, 2)]
    assert rows(cache, "SELECT key FROM quality_keys WHERE late") == [("2",), ("3",)]


def scheduled(now: datetime, *keys: str) -> Expected:
    """tm-grade, bought every other day at noon."""
    noon = now.replace(hour=12, minute=0, second=0, microsecond=0)
    return Expected([("tm-grade", noon + n * DAY) for n in range(-31, 32, 2)], [("tm-grade", key) for key in keys])


def test_a_known_schedule_says_when_the_next_row_is_expected(tmp_path: Path) -> None:
    """Every other day: what the cadence calls late is not; a day after the missed fire it is."""
    cache, books = Cache(tmp_path), MemoryLedger()
    now = datetime.now(UTC)
    snapshots(books, [1], now - 2 * DAY)
    load(cache, books)
    with cache.open() as con:
        expect(con, scheduled(now, "1"))
    noon = now.replace(hour=12, minute=0, second=0, microsecond=0)
    columns = "judged_by, expected_at, late"
    assert rows(cache, f"SELECT {columns} FROM quality_keys") == [
        ("schedule", noon - DAY + timedelta(hours=1), now > noon - DAY + timedelta(hours=1))
    ]


def test_of_a_scheduled_dataset_only_the_keys_asked_for_can_be_late(tmp_path: Path) -> None:
    """A token taken off the watch list is not late; one on it that nobody ever saw is."""
    cache, books = Cache(tmp_path), MemoryLedger()
    now = datetime.now(UTC)
    snapshots(books, [1, 2], now - 9 * DAY)
    snapshots(books, [1], now)
    load(cache, books)
    with cache.open() as con:
        expect(con, scheduled(now, "1", "3"))
    found = rows(cache, "SELECT key, watched, newest_slot IS NULL, late FROM quality_keys")
    assert found == [("1", True, False, False), ("2", False, False, None), ("3", True, True, True)]


def test_lateness_is_judged_when_it_is_asked_not_when_it_was_published(tmp_path: Path) -> None:
    """A pipeline that dies can't publish that it is late: time alone, here moved in the published facts, must do."""
    now = datetime.now(UTC)
    with open_ledger(tmp_path) as ledger:
        at = now.replace(hour=0, minute=0, second=1)
        [piece] = pieces("tm-grade", ["1"], at, at, at)
        buy(ledger, piece, body({**grade(1, now), "DATE": None}), at)
        load(Cache(tmp_path), ledger)
        path = publish(tmp_path, ledger, expected=scheduled(now, "1")).path
    with duckdb.connect(str(path)) as con:
        for days, late in ((0, False), (9, True)):
            con.execute("UPDATE quality_held SET expected_at = expected_at - to_days(?)", [days])
            found = con.execute("SELECT late, keys_late FROM quality_freshness").fetchall()
            assert found == [(late, int(late))]
            assert con.execute("SELECT late FROM quality_summary").fetchall() == [(late,)]


def test_a_dataset_that_is_up_to_date_is_not_late(tmp_path: Path) -> None:
    cache, books = Cache(tmp_path), MemoryLedger()
    now = datetime.now(UTC)
    [piece, *_] = pieces("tm-grade-history", ["1"], now - DAY, now, now)
    books.deliver(piece, grades([1], now - DAY, 2), now)
    load(cache, books)
    assert rows(cache, "SELECT late FROM quality_freshness") == [(False,)]


def test_days_that_the_repairing_twin_holds_are_no_gaps(tmp_path: Path) -> None:
    """Of five days missed between two snapshots the history brought three."""
    cache, books = Cache(tmp_path), MemoryLedger()
    first = T0 - 20 * DAY
    snapshots(books, [1], first)
    snapshots(books, [1], first + 6 * DAY)
    [piece, *_] = pieces("tm-grade-history", ["1"], first + DAY, first + 3 * DAY, T0)
    books.deliver(piece, grades([1], first + DAY, 3), T0)
    load(cache, books)
    midnight = first.replace(hour=0)
    found = rows(cache, "SELECT dataset, first_slot, last_slot, slots, can_be_bought FROM quality_gaps")
    assert found == [("tm-grade", midnight + 4 * DAY, midnight + 5 * DAY, 2, True)]


def test_slots_that_were_never_answered_are_gaps(tmp_path: Path) -> None:
    cache, books = Cache(tmp_path), MemoryLedger()
    for start in (40, 20):
        [piece, *_] = pieces("tm-grade-history", ["1"], T0 - DAY * start, T0 - DAY * (start - 4), T0)
        books.deliver(piece, grades([1], T0 - DAY * start, 5), T0)
    load(cache, books)
    midnight = T0.replace(hour=0)
    found = rows(cache, "SELECT key, first_slot, last_slot, slots, can_be_bought FROM quality_gaps")
    assert found == [("1", midnight - DAY * 35, midnight - DAY * 21, 15, True)]


def test_what_was_asked_for_and_not_delivered_is_a_gap_and_its_key_late(tmp_path: Path) -> None:
    """An empty snapshot is a gap that its history can fill; while it does not, the key is late."""
    cache, books = Cache(tmp_path), MemoryLedger()
    now = datetime.now(UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    snapshots(books, [1], now - 2 * DAY)
    at = (now - DAY).replace(hour=7)
    [piece, *_] = pieces("tm-grade", ["1"], at, at, at)
    books.deliver(piece, body(), at)
    snapshots(books, [1], now)
    load(cache, books)
    columns = "dataset, first_slot, slots, can_be_bought, state, asked, last_asked_at"
    gap = ("tm-grade", midnight - DAY, 1, True, "unconfirmed", 1, at.replace(microsecond=0))
    assert rows(cache, f"SELECT {columns} FROM quality_gaps") == [gap]
    assert rows(cache, "SELECT late, unconfirmed FROM quality_keys") == [(True, 1)]
    assert rows(cache, "SELECT slots_missing, slots_unconfirmed FROM quality_summary") == [(1, 1)]
    [piece, *_] = pieces("tm-grade-history", ["1"], now - DAY, now - DAY, now)
    books.deliver(piece, grades([1], now - DAY, 1), now)
    load(cache, books)
    assert rows(cache, "FROM quality_gaps") == []
    assert rows(cache, "SELECT late FROM quality_keys WHERE dataset = 'tm-grade'") == [(False,)]


def test_a_day_that_enough_answers_lack_is_confirmed_empty_and_no_gap(tmp_path: Path) -> None:
    cache, books = Cache(tmp_path), MemoryLedger()
    first = T0 - 20 * DAY
    for days in (0, 1, 4, 13):
        at = T0 + days * DAY
        [piece, *_] = pieces("tm-grade-history", ["1"], first, first + 4 * DAY, at)
        group = replace(piece.group, edition=f"day:{at:%Y-%m-%d}", bucket=int(at.timestamp()) // 86400)
        rows_of_days = (grade(1, first + n * DAY) for n in (0, 1, 3, 4))
        books.deliver(replace(piece, group=group), body(*rows_of_days), at)
    load(cache, books)
    assert rows(cache, "FROM quality_gaps") == []
    [found] = rows(cache, "SELECT key, first_slot, slots, asked FROM quality_confirmed_empty")
    assert found == ("1", first.replace(hour=0) + 2 * DAY, 1, 4)
    assert rows(cache, "SELECT late, unconfirmed, confirmed_empty FROM quality_keys") == [(True, 0, 1)]


def test_rows_bought_again_for_nothing_are_counted(tmp_path: Path) -> None:
    cache, books = Cache(tmp_path), MemoryLedger()
    for day in range(3):
        [piece, *_] = pieces("tm-grade-history", ["1"], T0 - DAY * 9, T0 - DAY * 5, T0 + DAY * day)
        books.deliver(piece, grades([1], T0 - DAY * 9, 5), T0 + DAY * day)
    load(cache, books)
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
