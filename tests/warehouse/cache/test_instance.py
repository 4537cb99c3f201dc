"""DuckDB in memory, kept between uses."""

from __future__ import annotations

import os
from pathlib import Path

import duckdb
import pytest

from warehouse.cache import instance
from warehouse.cache.instance import Instance, give_back, in_memory, take


def settings(con: duckdb.DuckDBPyConnection) -> tuple[object, ...]:
    [row] = con.execute("SELECT current_setting('TimeZone'), current_setting('threads')").fetchall()
    return tuple(row)


def test_what_was_attached_created_or_set_is_gone_at_the_next_use(tmp_path: Path) -> None:
    with in_memory() as con:
        con.execute(f"ATTACH '{tmp_path / 'one.duckdb'}' AS one")
        con.execute("CREATE TEMP TABLE mine AS SELECT 1 AS x")
        con.execute("SET TimeZone = 'Asia/Tokyo'")
    with in_memory() as con:
        assert settings(con) == ("UTC", 1)
        databases = con.execute("SELECT database_name FROM duckdb_databases() WHERE NOT internal").fetchall()
        assert databases == [("memory",)]
        with pytest.raises(duckdb.CatalogException):
            con.execute("FROM mine")


def test_a_setting_of_an_earlier_use_does_not_stay() -> None:
    first = take({"memory_limit": "512MB"}, threads=1)
    give_back(first)
    second = take({}, threads=1)
    try:
        [(limit,)] = second.connection.execute("SELECT current_setting('memory_limit')").fetchall()
        assert limit != "488.2 MiB"
    finally:
        give_back(second)


class Contended(list[Instance]):
    """Instances of which another thread takes each just before this one does."""

    def remove(self, value: Instance) -> None:
        super().remove(value)
        super().remove(value)


def test_an_instance_that_another_thread_took_first_is_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = [Instance(1) for _ in range(instance._MOST_IDLE)]
    monkeypatch.setattr(instance, "_idle", Contended(kept))
    mine = take({}, threads=1)
    try:
        assert mine not in kept
        monkeypatch.setattr(instance, "_idle", Contended(kept))
        give_back(mine)
        assert instance._idle == [kept[1], mine]
        assert kept[0].connection.execute("SELECT 1").fetchall() == [(1,)], "closed in another thread's hands"
    finally:
        for each in (mine, *kept):
            each.connection.close()


def test_an_instance_of_the_parent_process_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    of_parent = Instance(1)
    monkeypatch.setattr(of_parent, "process", os.getppid())
    monkeypatch.setattr(instance, "_idle", [of_parent])
    monkeypatch.setattr(instance, "_of_parents", [])
    mine = take({}, threads=1)
    try:
        assert mine is not of_parent
        assert instance._of_parents == [of_parent]
    finally:
        mine.connection.close()
        of_parent.connection.close()
