"""Loading: each body once, each change kept, nothing that arrived lost."""

from __future__ import annotations

import random
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from payer.ledger.database import schema
from payer.settle.reconcile import damaged_bodies
from tests.scale import SCALE
from tests.warehouse.child_processes import line, run, start
from tests.warehouse.deliveries import DAY, T0, MemoryLedger, body, grade, grades, pieces
from tests.warehouse.purchases import buy_history, open_ledger
from tests.warehouse.sample_deliveries import HOUR, many, story
from warehouse.cache import store
from warehouse.cache.integrity import fingerprints
from warehouse.cache.store import Cache
from warehouse.coverage.held import held
from warehouse.load import load as loading
from warehouse.load.report import LoadReport
from warehouse.load.self_repair import load

KILLS = 4 * SCALE


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path)


def rows(cache: Cache, query: str) -> list[tuple[Any, ...]]:
    with cache.open() as con:
        return con.execute(query).fetchall()


def hashes(cache: Cache) -> dict[str, str]:
    with cache.open() as con:
        return fingerprints(con)


def history(books: MemoryLedger, value: float, days: int, at: Any, **more: Any) -> None:
    [page, *_] = pieces("tm-grade-history", ["1"], T0 - DAY * 5, T0, T0)
    books.deliver(page, body(*(grade(1, T0 - DAY * 5 + DAY * n, value, **more) for n in range(days))), at)


def test_a_body_becomes_typed_rows_with_their_origin(cache: Cache) -> None:
    books = MemoryLedger()
    history(books, 51.5, 2, T0)
    report = load(cache, books)
    assert (report.deliveries, report.rows_in, report.rows_new, report.rows_changed) == (1, 2, 2, 0)
    assert report.per_dataset["tm-grade-history"].rows_new == 2
    observed = rows(
        cache, "SELECT token_id, date::VARCHAR, tm_grade, observed_at, purchase_id, dataset, seq FROM grades"
    )
    assert sorted(observed) == [
        (1, "2025-06-15", 51.5, T0, "purchase-1", "tm-grade-history", 1),
        (1, "2025-06-16", 51.5, T0, "purchase-1", "tm-grade-history", 1),
    ]


def test_a_row_that_says_nothing_new_is_no_observation(cache: Cache) -> None:
    books = MemoryLedger()
    for hours in range(3):
        history(books, 50.0, 4, T0 + HOUR * hours)
    assert load(cache, books).rows_new == 4
    assert rows(cache, "SELECT count(*) FROM grades_observations") == [(4,)]
    assert rows(cache, "SELECT DISTINCT purchase_id FROM grades") == [("purchase-1",)]


def test_a_changed_row_is_a_new_observation_and_the_current_one(cache: Cache) -> None:
    books = MemoryLedger()
    history(books, 50.0, 3, T0)
    load(cache, books)
    history(books, 51.0, 3, T0 + HOUR)
    report = load(cache, books)
    assert (report.rows_new, report.rows_changed) == (0, 3)
    assert rows(cache, "SELECT count(*) FROM grades_observations") == [(6,)]
    assert rows(cache, "SELECT DISTINCT tm_grade, purchase_id FROM grades") == [(51.0, "purchase-2")]


def test_a_value_that_goes_and_comes_back_is_three_observations(cache: Cache) -> None:
    books = MemoryLedger()
    for hours, value in enumerate((50.0, 51.0, 50.0)):
        history(books, value, 1, T0 + HOUR * hours)
    load(cache, books)
    observed = rows(cache, "SELECT tm_grade FROM grades_observations ORDER BY observed_at")
    assert observed == [(50.0,), (51.0,), (50.0,)]


def test_a_null_that_gets_a_value_is_a_change(cache: Cache) -> None:
    books = MemoryLedger()
    history(books, 50.0, 1, T0, MOMENTUM=None)
    history(books, 50.0, 1, T0 + HOUR, MOMENTUM="Positive")
    report = load(cache, books)
    assert (report.rows_new, report.rows_changed) == (1, 1)


def test_values_that_swap_columns_are_a_change(cache: Cache) -> None:
    """The hash of a row's content knows which column a value stands in."""
    books = MemoryLedger()
    history(books, 50.0, 1, T0, MOMENTUM="Buy", TM_GRADE_SIGNAL="Positive")
    history(books, 50.0, 1, T0 + HOUR)
    history(books, 50.0, 1, T0 + HOUR * 2, MOMENTUM="Buy", TM_GRADE_SIGNAL="Positive")
    assert load(cache, books).rows_changed == 2


def test_loading_twice_loads_nothing_the_second_time(cache: Cache) -> None:
    books = story()
    load(cache, books)
    before = hashes(cache)
    assert load(cache, books) == LoadReport()
    assert hashes(cache) == before


def test_a_load_that_finds_nothing_opens_no_file(cache: Cache) -> None:
    books = story()
    load(cache, books)
    with cache.locked():
        assert load(cache, books) == LoadReport()


def test_what_another_process_loaded_meanwhile_is_not_loaded_twice(cache: Cache) -> None:
    books = story()
    load(cache, books.only(1))
    load(Cache(cache.home), books)
    assert load(cache, books) == LoadReport()
    assert rows(cache, "SELECT count(*) FROM loads") == [(14,)]


def test_every_delivery_is_in_loads_also_one_without_rows(cache: Cache) -> None:
    books = story()
    report = load(cache, books)
    observed = rows(cache, "SELECT purchase_id, seq, observed_at FROM loads ORDER BY seq")
    assert observed == [(each.purchase_id, each.seq, each.received_at) for each in books.held]
    totals = "SELECT sum(rows_in), sum(rows_new), sum(rows_changed), sum(rows_quarantined) FROM loads"
    assert rows(cache, totals) == [(report.rows_in, report.rows_new, report.rows_changed, report.quarantined)]


@pytest.mark.parametrize("seed", range(2 * SCALE))
def test_the_tables_are_the_same_however_deliveries_were_batched(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I8: neither the order in which deliveries became visible nor the size of batches leaves a trace."""
    books, whole, parts = story(), Cache(tmp_path / "whole"), Cache(tmp_path / "parts")
    load(whole, books)
    chance = random.Random(seed)
    monkeypatch.setattr(loading, "BATCH_DELIVERIES", chance.choice([1, 3, 1000]))
    order = [each.seq for each in books.held]
    chance.shuffle(order)
    seen: list[int] = []
    while order:
        seen += [order.pop() for _ in range(min(len(order), chance.randint(1, 5)))]
        load(parts, books.only(*seen))
    assert hashes(parts) == hashes(whole)


def test_a_delivery_committed_after_a_larger_seq_is_still_loaded(cache: Cache) -> None:
    books = story()
    load(cache, books.only(*range(3, 15)))
    assert load(cache, books).deliveries == 2


def test_a_late_delivery_moves_what_was_observed_after_it(cache: Cache) -> None:
    """X at noon, X at two: one observation. When Y of one o'clock arrives, the X of two is news again."""
    books = MemoryLedger()
    history(books, 50.0, 1, T0)
    history(books, 51.0, 1, T0 + HOUR)
    history(books, 50.0, 1, T0 + HOUR * 2)
    load(cache, books.only(1, 3))
    assert rows(cache, "SELECT count(*) FROM grades_observations") == [(1,)]
    load(cache, books)
    observed = rows(cache, "SELECT tm_grade, purchase_id FROM grades_observations ORDER BY observed_at")
    assert observed == [(50.0, "purchase-1"), (51.0, "purchase-2"), (50.0, "purchase-3")]
    assert rows(cache, "SELECT tm_grade, purchase_id FROM grades") == [(50.0, "purchase-3")]
    assert rows(cache, "SELECT table_name, since, purchases FROM rewinds") == [("grades", T0 + HOUR * 2, 1)]


@pytest.mark.parametrize("kept", [0, store.LOG_KEPT])
def test_a_process_notices_what_another_loaded_since(kept: int, cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    """It remembers what it left in the file, and asks the file only where that changed; where no log is kept, the notes
    of all closings are the same."""
    monkeypatch.setattr(store, "LOG_KEPT", kept)
    books = MemoryLedger()
    for hours, value in enumerate((50.0, 51.0, 50.0)):
        history(books, value, 1, T0 + HOUR * hours)
    load(cache, books.only(1))
    load(Cache(cache.home), books.only(1, 3))
    load(cache, books)
    observed = rows(cache, "SELECT tm_grade, purchase_id FROM grades_observations ORDER BY observed_at")
    assert observed == [(50.0, "purchase-1"), (51.0, "purchase-2"), (50.0, "purchase-3")]
    assert rows(cache, "SELECT count(*) FROM loads") == [(3,)]


def test_a_ledger_restored_from_a_backup_goes_on(cache: Cache) -> None:
    """The cache's knowledge of lost deliveries stays, so that it is not bought again; new ones take over their seqs."""
    books = many(40)
    load(cache, books)
    restored = MemoryLedger(books.held[:20])
    [page, *_] = pieces("tm-grade-history", ["900"], T0 - DAY * 10, T0 - DAY, T0)
    lost = {each.purchase_id for each in books.held}
    restored.held.append(replace(restored.deliver(page, grades([900], T0 - DAY * 10, 10), T0), purchase_id="new"))
    restored.held.pop(-2)
    assert restored.held[-1].purchase_id not in lost
    assert load(cache, restored).rows_new == 10
    assert rows(cache, "SELECT count(DISTINCT purchase_id) FROM loads") == [(41,)]
    per_key = "SELECT max(n) FROM (SELECT count(*) AS n FROM grades GROUP BY token_id, date)"
    assert rows(cache, per_key) == [(1,)]
    newest = """SELECT count(*) FROM grades g JOIN grades_observations o USING (token_id, date)
                WHERE o.observed_at > g.observed_at"""
    assert rows(cache, newest) == [(0,)]


@pytest.mark.parametrize(
    ("answer", "status", "envelope"),
    [
        (b'{"success": false, "message": "no"}', 200, "failed"),
        (b"<html>busy</html>", 200, "malformed"),
        (b"\xff\xfe\x00", 200, "malformed"),
        (b"", 200, "malformed"),
        (b'{"error": "boom"}', 500, "failed"),
        (b"[" * 100_000, 200, "malformed"),
    ],
    ids=["said no", "a page of HTML", "no text", "nothing", "status 500", "nested without end"],
)
def test_an_answer_nobody_can_read_is_kept_and_covers_what_was_asked(
    answer: bytes, status: int, envelope: str, cache: Cache
) -> None:
    """I4: the body stays in the ledger, the reason is in quarantine, and no retry buys it again."""
    books = MemoryLedger()
    [page, *_] = pieces("tm-grade-history", ["1"], T0 - DAY * 9, T0 - DAY * 5, T0)
    books.deliver(page, answer, T0, status)
    report = load(cache, books)
    assert (report.failed, report.rows_new) == (1, 0)
    assert rows(cache, "SELECT envelope FROM loads") == [(envelope,)]
    [(reason, raw)] = rows(cache, "SELECT reason, raw FROM quarantined")
    assert reason.startswith(f"{envelope} body: ")
    assert raw[:20] == answer.decode(errors="replace")[:20]
    cells = held(cache, _history(), ["1"], page.first, page.last, T0)
    assert cells.spans == {"1": ((page.first, page.last),)}


def _history() -> Any:
    from sources import registry

    return registry.dataset("tm-grade-history")


def test_rows_that_cannot_be_read_are_quarantined_beside_the_good_ones(cache: Cache) -> None:
    """I4."""
    report = load(cache, story().only(13))
    assert (report.rows_new, report.quarantined) == (1, 3)
    reasons = [reason for (reason,) in rows(cache, "SELECT reason FROM quarantined ORDER BY raw")]
    assert reasons[0::2] == ["not a row of named values", "tm_grade: not a number: 'soon'"]
    assert "a second row of the same key" in reasons[1]


def test_a_column_nobody_declared_is_kept_and_told_once(cache: Cache) -> None:
    books = story()
    report = load(cache, books.only(13))
    assert any((each.column, each.change) == ("brand_new", "new") for each in report.drift)
    assert rows(cache, "SELECT extras FROM grades") == [('{"brand_new":1}',)]
    assert load(cache, books.only(13, 14)).drift == ()
    assert rows(cache, "SELECT first_seen, purchase_id FROM drift WHERE change = 'new'") == [
        (books.held[12].received_at, "purchase-13")
    ]


@pytest.mark.parametrize("change", [{"dataset": "gone-from-sale"}, {"context": {}}, {"context": {"keys": 3}}])
def test_a_delivery_of_which_nothing_is_known_stops_nobody(change: dict[str, Any], cache: Cache) -> None:
    """I4."""
    books = story().only(1, 2)
    books.held[0] = replace(books.held[0], **change)
    assert load(cache, books).deliveries == 2
    assert rows(cache, "SELECT count(*) FROM quarantined") == [(1,)]


@pytest.mark.parametrize("point", ["load.before_commit", "load.after_commit"])
def test_a_load_killed_around_its_commit_is_finished_by_the_next(point: str, tmp_path: Path) -> None:
    cache, undisturbed = Cache(tmp_path / "a"), Cache(tmp_path / "b")
    code, _ = run("load", tmp_path / "a", crash_at=point)
    assert code == -signal.SIGKILL
    report = load(cache, story())
    assert report.deliveries == 14
    load(undisturbed, story())
    assert hashes(cache) == hashes(undisturbed)


def test_loads_killed_at_any_moment_lose_nothing(tmp_path: Path) -> None:
    cache, undisturbed = Cache(tmp_path / "a"), Cache(tmp_path / "b")
    chance = random.Random(7)
    for _ in range(KILLS):
        with start("load", tmp_path / "a", 200, 8) as child:
            assert line(child) == "loading"
            time.sleep(chance.random())
            child.kill()
    books = many(200)
    load(cache, books)
    load(undisturbed, books)
    assert hashes(cache) == hashes(undisturbed)


def test_processes_that_load_the_same_ledger_load_each_row_once(tmp_path: Path) -> None:
    children = [start("load", tmp_path, 200, 30) for _ in range(3)]
    printed = [child.communicate(timeout=120)[0].splitlines()[1].split() for child in children]
    assert sum(int(deliveries) for deliveries, *_ in printed) == 200
    alone = Cache(tmp_path / "alone")
    load(alone, many(200))
    assert hashes(Cache(tmp_path)) == hashes(alone)


def test_a_body_damaged_in_the_ledger_is_named_and_hides_no_other(cache: Cache, tmp_path: Path) -> None:
    """I4: it is in quarantine with its purchase, counts as answered, and the bodies after it are loaded."""
    with open_ledger(tmp_path) as ledger:
        bad = buy_history(ledger, grades([1], T0 - DAY * 9, 5), [1], T0 - DAY * 9, T0 - DAY * 5, T0)
        buy_history(ledger, grades([2], T0 - DAY * 9, 5), [2], T0 - DAY * 9, T0 - DAY * 5, T0)
        with ledger._engine.begin() as connection:
            change = sa.update(schema.bodies).where(schema.bodies.c.purchase_id == bad.purchase_id)
            connection.execute(change.values(zstd=b"no zstd at all"))
        assert (load(cache, ledger).rows_new, load(cache, ledger).deliveries) == (5, 0)
        assert [each.purchase_id for each in damaged_bodies(ledger)] == [bad.purchase_id]
    [(purchase, reason)] = rows(cache, "SELECT purchase_id, reason FROM quarantined")
    assert (purchase, "copy of it is damaged" in reason) == (bad.purchase_id, True)
    first, last = (int(day.timestamp()) // 86400 for day in (T0 - DAY * 9, T0 - DAY * 5))
    assert held(cache, _history(), ["1"], first, last, T0).spans == {"1": ((first, last),)}


def test_what_is_forgiven_in_a_body_is_noted_and_no_digit_is_lost(cache: Cache) -> None:
    books = MemoryLedger()
    [page, *_] = pieces("tm-grade-history", ["1"], T0 - DAY * 5, T0, T0)
    row = grade(1, T0 - DAY * 5, 50.0, SUPPLY="?", SHARE="?")
    sent = body(row).decode().replace('"?"', "12345678901234567890123", 1).replace('"?"', "0.1234567890123456789", 1)
    books.deliver(page, sent.replace("Token 1", "To\tken").encode() + b"\0", T0)
    report = load(cache, books)
    assert [note.split(": ")[1].split(",")[0] for note in report.notes] == [
        "control characters in texts",
        "what follows the end was left out (first in purchase-1)",
    ]
    [values] = rows(cache, "SELECT token_name, extras::JSON ->> '$.SUPPLY', extras::JSON ->> '$.SHARE' FROM grades")
    assert values == ("To\tken", "12345678901234567890123", "0.1234567890123456789")


def test_a_cache_read_by_an_older_parser_is_rebuilt(cache: Cache) -> None:
    books = MemoryLedger()
    history(books, 51.5, 2, T0)
    load(cache, books)
    with cache.open() as con:
        con.execute("DELETE FROM meta WHERE name = 'parser'")
    history(books, 51.5, 3, T0 + DAY)
    assert load(Cache(cache.home), books).notes == (
        "bodies are read otherwise by this release: the cache was rebuilt from the ledger",
    )
