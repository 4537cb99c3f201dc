"""The cache file: what a new one holds, how it follows the declarations, and how damage to it is repaired."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sources import registry
from sources.model import Cast, Column, Dataset
from tests.warehouse.child_processes import run
from tests.warehouse.deliveries import T0, MemoryLedger, body, pieces
from tests.warehouse.sample_deliveries import many, story
from warehouse.cache import store as caching
from warehouse.cache.generation import FORMAT, write_meta
from warehouse.cache.integrity import fingerprints
from warehouse.cache.store import Cache, CacheIncomplete, Token
from warehouse.cache.tables import create_table, declared_tables
from warehouse.coverage.held import beginnings, held
from warehouse.errors import CacheDamaged
from warehouse.load.rebuild import rebuild
from warehouse.load.self_repair import load


def hashes(cache: Cache) -> dict[str, str]:
    with cache.open() as con:
        return fingerprints(con)


def test_a_table_is_made_when_something_comes_for_it_and_not_before(tmp_path: Path) -> None:
    """Opening a file costs by the tables it has; what was never bought has none."""
    cache = Cache(tmp_path)
    load(cache, MemoryLedger())
    names = "SELECT table_name FROM duckdb_tables() WHERE database_name = current_database()"
    tables = {name for each in registry.datasets() for name in (f"{each.table}_newest", f"{each.table}_observations")}
    with cache.open() as con:
        assert not tables & {name for (name,) in con.execute(names).fetchall()}
    assert cache.tokens() == []
    load(cache, story())
    with cache.open() as con:
        assert {"grades_newest", "grades_observations"} <= {name for (name,) in con.execute(names).fetchall()}


def test_what_closing_leaves_in_the_log_is_there_for_the_next_process(tmp_path: Path) -> None:
    """Bringing each small load into the file itself would cost more than reading it again from the log."""
    books = story()
    loaded = load(Cache(tmp_path), books)
    cache = Cache(tmp_path)
    assert 0 < cache.log.path.stat().st_size <= caching.LOG_KEPT
    assert run("load", tmp_path)[1].split() == ["loading", "0", "0"]
    with cache.open() as con:
        assert con.execute("SELECT count(*) FROM loads").fetchall() == [(loaded.deliveries,)]


def test_a_long_log_is_written_into_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caching, "LOG_KEPT", 0)
    cache = Cache(tmp_path)
    load(cache, story())
    assert not cache.log.path.exists()


def test_a_file_with_blocks_of_another_size_is_used_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As earlier releases made them; rebuilding one costs minutes."""
    monkeypatch.setattr(caching, "BLOCK", 256 << 10)
    load(Cache(tmp_path), many(20))
    monkeypatch.undo()
    cache = Cache(tmp_path)
    assert load(cache, many(40)).deliveries == 20
    with cache.open() as con:
        size = con.execute("SELECT block_size FROM pragma_database_size() WHERE database_name = 'cache'").fetchall()
    assert size == [(256 << 10,)]


def test_a_rebuilt_file_takes_its_place_without_a_log(tmp_path: Path) -> None:
    """The name is replaced in one step: rows that were still in a log beside it would be lost."""
    cache = Cache(tmp_path)
    load(cache, story())
    before = hashes(cache)
    assert rebuild(tmp_path, story()).changed == ()
    assert not cache.log.path.exists()
    assert hashes(cache) == before


def test_columns_are_typed_as_declared_and_followed_by_their_origin(tmp_path: Path) -> None:
    with Cache(tmp_path).open() as con:
        create_table(con, declared_tables()["grades"])
        described = [(name, kind) for name, kind, *_ in con.execute("DESCRIBE grades_observations").fetchall()]
    assert described[:4] == [
        ("token_id", "BIGINT"),
        ("token_name", "VARCHAR"),
        ("token_symbol", "VARCHAR"),
        ("date", "DATE"),
    ]
    assert described[-6:] == [
        ("extras", "VARCHAR"),
        ("observed_at", "TIMESTAMP WITH TIME ZONE"),
        ("purchase_id", "VARCHAR"),
        ("dataset", "VARCHAR"),
        ("row_hash", "UBIGINT"),
        ("seq", "BIGINT"),
    ]


def test_times_are_utc_and_the_file_is_readable_by_older_releases(tmp_path: Path) -> None:
    with Cache(tmp_path).open() as con:
        assert con.execute("SELECT current_setting('TimeZone')").fetchall() == [("UTC",)]
        [(tags,)] = con.execute("SELECT tags FROM duckdb_databases() WHERE database_name = 'cache'").fetchall()
        assert tags["storage_version"].startswith("v1.5")


def test_planning_on_a_cache_that_was_never_filled_is_refused(tmp_path: Path) -> None:
    """A file that was lost must not look like one that holds nothing: everything would be bought again."""
    dataset = registry.dataset("tm-grade-history")
    cache = Cache(tmp_path)
    with pytest.raises(CacheIncomplete, match="load before planning"):
        held(cache, dataset, ["1"], 1, 2, T0)
    load(cache, story().only())
    assert held(cache, dataset, ["1"], 1, 2, T0).spans == {}


def test_the_catalogue_is_listed_by_id(tmp_path: Path) -> None:
    books = story().only()
    [page, *_] = pieces("tokens", ["*"], T0, T0, T0)
    rows = [{"TOKEN_ID": number, "TOKEN_NAME": f"Token {number}", "TOKEN_SYMBOL": f"T{number}"} for number in (7, 3)]
    books.deliver(page, body(*rows), T0)
    cache = Cache(tmp_path)
    load(cache, books)
    assert cache.tokens() == [Token(3, "T3", "Token 3"), Token(7, "T7", "Token 7")]


def _zeros(path: Path) -> None:
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 3)
        file.write(b"\0" * (size // 3))


def _header(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"not a database")


def _cut(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _gone(path: Path) -> None:
    path.unlink()
    path.with_name(f"{path.name}.wal").write_bytes(b"what is left of another")


@pytest.mark.parametrize("damage", [_zeros, _header, _cut, _empty, _gone], ids=lambda how: how.__name__[1:])
def test_a_damaged_file_is_rebuilt_by_the_next_load(
    damage: Callable[[Path], None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """I8: to the same tables, and saying so."""
    load(Cache(tmp_path), story())
    cache = Cache(tmp_path)
    before = hashes(cache)
    damage(cache.path)
    with caplog.at_level(logging.WARNING):
        report = load(cache, story())
    assert hashes(cache) == before
    if damage in (_empty, _gone):
        assert report.deliveries == 14
        return
    [note] = report.notes
    assert note.startswith("the cache could not be read")
    assert "rebuilt" in caplog.text
    assert len(list((tmp_path / "state").glob("cache.damaged-*.duckdb"))) == 1


def test_a_damaged_file_is_named_to_who_only_opens_it(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    load(cache, story())
    _header(cache.path)
    with pytest.raises(CacheDamaged, match="the next load rebuilds it"), cache.open():
        pass


@pytest.mark.parametrize(("count", "size"), [(20, 20_000), (300, 300_000)], ids=["in the log", "in the file"])
def test_a_full_disk_loses_nothing_and_the_next_run_repairs(count: int, size: int, tmp_path: Path) -> None:
    """I4: a file that can't be written is not taken for damaged and thrown away."""
    cache, undisturbed = Cache(tmp_path), Cache(tmp_path / "undisturbed")
    load(cache, many(1))
    _, out = run("load_on_a_full_disk", tmp_path, count, size)
    assert "Could not write file" in out
    assert (".wal" in out) == (count == 20)
    report = load(cache, many(300))
    load(undisturbed, many(300))
    assert report.notes == ()
    assert hashes(cache) == hashes(undisturbed)
    assert not list((tmp_path / "state").glob("*damaged*"))


def test_a_newly_declared_column_appears_and_is_filled_from_the_bodies(
    tmp_path: Path, redeclared: Callable[[Callable[[Dataset], Dataset]], None]
) -> None:
    """A better parser is a replay, and not a purchase."""
    cache = Cache(tmp_path)
    load(cache, story())
    extra = Column("brand_new", Cast.INTEGER, ("brand_new",), expected=False)
    redeclared(lambda old: replace(old, columns=(*old.columns[:-1], extra, old.columns[-1])))
    with cache.open() as con:
        assert con.execute("SELECT count(brand_new), count(*) FROM grades_observations").fetchall()[0][0] == 0
    report = load(Cache(tmp_path), story())
    assert report.deliveries == 0
    assert report.notes == ("the declared tables have changed: the cache was rebuilt from the ledger",)
    with cache.open() as con:
        assert (
            con.execute("SELECT brand_new, extras FROM grades WHERE token_id IN (6, 7)").fetchall() == [(1, None)] * 2
        )


def test_another_release_of_duckdb_with_another_hash_function_is_noticed(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    load(cache, story())
    with cache.open() as con:
        write_meta(con, hash="of long ago")
    report = load(Cache(tmp_path), story())
    assert report.notes == ("this release of DuckDB has another hash function: the cache was rebuilt from the ledger",)
    assert load(cache, story()).notes == ()


def test_a_file_laid_out_in_an_older_way_is_rebuilt_and_only_what_is_new_is_reported(tmp_path: Path) -> None:
    """In format 1 the current rows were a table of their own."""
    cache = Cache(tmp_path)
    load(cache, story().only(*range(1, 10)))
    with cache.open() as con:
        con.execute("CREATE TABLE current AS FROM grades")
        con.execute("DROP VIEW grades")
        con.execute("DROP TABLE grades_newest")
        con.execute("ALTER TABLE current RENAME TO grades")
        write_meta(con, format="1")
    older = Cache(tmp_path)
    with pytest.raises(CacheIncomplete):
        older.distinct("grades", ["token_id"])
    with pytest.raises(CacheIncomplete):
        beginnings(older, registry.dataset("tm-grade-history"), ["1"])
    report = load(older, story())
    assert report.deliveries == 5
    assert report.notes == (f"the cache is of format 1, now it is {FORMAT}: the cache was rebuilt from the ledger",)
    fresh = Cache(tmp_path / "fresh")
    load(fresh, story())
    assert hashes(older) == hashes(fresh)


def test_observed_times_keep_their_microseconds(tmp_path: Path) -> None:
    books = story().only()
    at = datetime(2025, 6, 20, 12, 0, 0, 123456, UTC)
    [page, *_] = pieces("tm-grade-history", ["1"], T0, T0, T0)
    books.deliver(page, story().held[0].body, at)
    cache = Cache(tmp_path)
    load(cache, books)
    with cache.open() as con:
        assert con.execute("SELECT DISTINCT observed_at FROM grades").fetchall() == [(at,)]
