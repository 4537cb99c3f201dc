"""Rebuilding the cache from the ledger's bodies alone, for $0, to the same tables (I8)."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path

import pytest

from tests.warehouse.child_processes import run, start
from tests.warehouse.deliveries import MemoryLedger
from tests.warehouse.sample_deliveries import many, story
from warehouse.cache.integrity import fingerprints
from warehouse.cache.store import Cache
from warehouse.load import load as loading
from warehouse.load import parallel
from warehouse.load.rebuild import rebuild
from warehouse.load.self_repair import load


def hashes(cache: Cache) -> dict[str, str]:
    with cache.open() as con:
        return fingerprints(con)


def test_a_rebuilt_cache_is_the_one_that_grew_day_by_day(tmp_path: Path) -> None:
    """I8, with every delivery loaded alone, as a schedule does."""
    books, cache = story(), Cache(tmp_path)
    for own in books.held:
        load(cache, books.only(*range(1, own.seq + 1)))
    before = hashes(cache)
    done = rebuild(tmp_path, books)
    assert done.changed == ()
    assert done.before == done.after == before == hashes(cache)
    assert done.rows == _rows_in(cache)
    assert load(cache, books).deliveries == 0


def _rows_in(cache: Cache) -> int:
    with cache.open() as con:
        [(rows,)] = con.execute("SELECT sum(rows_in)::BIGINT FROM loads").fetchall()
    return int(rows)


def test_it_says_which_tables_are_not_what_they_were(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    load(cache, story())
    with cache.open() as con:
        con.execute("UPDATE grades_observations SET tm_grade = 1 WHERE token_id = 1 AND date = '2025-06-12'")
    assert rebuild(tmp_path, story()).changed == ("grades_observations",)


def test_what_was_delivered_meanwhile_is_in_the_rebuilt_cache(tmp_path: Path) -> None:
    class Growing(MemoryLedger):
        """A body arrives after the first look at the index."""

        looks = 0

        def delivery_index(self, after: int = 0) -> list[tuple[int, str]]:
            self.looks += 1
            return super().delivery_index(after)[: 10 if self.looks == 1 else None]

    rebuild(tmp_path, Growing(story().held))
    with Cache(tmp_path).open() as con:
        assert con.execute("SELECT count(*) FROM loads").fetchall() == [(14,)]


@pytest.mark.parametrize("point", ["load.before_commit", "rebuild.before_swap", "rebuild.after_swap"])
def test_a_rebuild_killed_on_the_way_leaves_a_whole_cache(point: str, tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    load(cache, story())
    before = hashes(cache)
    code, _ = run("rebuild", tmp_path, crash_at=point)
    assert code == -signal.SIGKILL
    assert load(cache, story()).deliveries == 0
    assert hashes(cache) == before
    assert rebuild(tmp_path, story()).changed == ()
    assert not list((tmp_path / "state").glob("cache-rebuilt*.duckdb*"))


def test_loads_go_on_while_a_rebuild_runs(tmp_path: Path) -> None:
    books = many(60)
    load(Cache(tmp_path), books.only(*range(1, 40)))
    with start("load", tmp_path, 60, 1) as other:
        rebuild(tmp_path, books)
        out, _ = other.communicate(timeout=60)
        assert other.returncode == 0, out
    alone = Cache(tmp_path / "alone")
    load(alone, books)
    assert hashes(Cache(tmp_path)) == hashes(alone)


def test_bodies_read_on_several_cores_make_the_same_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    books, one, two = many(40), Cache(tmp_path / "one"), Cache(tmp_path / "two")
    load(one, books)
    monkeypatch.setattr(parallel, "WORTH_IT", 10)
    monkeypatch.setattr(loading, "BATCH_DELIVERIES", 7)
    load(two, books)
    assert hashes(one) == hashes(two) == rebuild(tmp_path / "two", books).after


def test_a_body_that_no_reader_survives_raises_and_leaves_nothing_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel, "WORTH_IT", 1)
    monkeypatch.setattr(parallel._Worker, "read", lambda *_: (_ for _ in ()).throw(EOFError("worker died")))
    cache = Cache(tmp_path)
    with pytest.raises(EOFError):
        load(cache, many(3))
    with cache.open() as con:
        assert con.execute("SELECT count(*) FROM loads").fetchall() == [(0,)]


def test_a_purchase_is_loaded_once_though_its_seq_is_told_twice(tmp_path: Path) -> None:
    books = story().only(1)
    books.held.append(replace(books.held[0]))
    cache = Cache(tmp_path)
    assert load(cache, books).deliveries == 1
