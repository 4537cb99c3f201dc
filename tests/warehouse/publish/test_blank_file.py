"""Tests begin a published file as a copy of one that was made; here, that such a copy is what the product makes."""

from __future__ import annotations

from pathlib import Path

import duckdb

from tests import blank_file
from tests.warehouse.purchases import open_ledger
from warehouse.cache.store import Cache
from warehouse.load.self_repair import load
from warehouse.publish.publish import publish
from warehouse.publish.views.catalog import ONLY_HERE

CATALOG = (
    "SELECT table_name, sql, comment FROM duckdb_tables() ORDER BY ALL",
    "SELECT view_name, comment FROM duckdb_views() WHERE NOT internal ORDER BY ALL",
    "SELECT table_name, column_name, data_type, comment FROM duckdb_columns() WHERE NOT internal ORDER BY ALL",
    "SELECT function_name, parameters FROM duckdb_functions() WHERE NOT internal ORDER BY ALL",
    "SELECT shape FROM publication",
)


def test_a_copied_file_has_every_table_view_macro_and_comment_of_one_that_was_made(
    tmp_path: Path,
) -> None:
    for name in ("first", "copied"):
        _publish(tmp_path / name)
    with blank_file.made():
        _publish(tmp_path / "made")
    assert _catalog(tmp_path / "copied") == _catalog(tmp_path / "made")


def _publish(home: Path) -> None:
    with open_ledger(home) as ledger:
        load(Cache(home), ledger)
        publish(home, ledger)


def _catalog(home: Path) -> list[list[tuple[object, ...]]]:
    with duckdb.connect(str(home / "published" / "warehouse.duckdb"), read_only=True) as con:
        rows = [con.execute(query).fetchall() for query in CATALOG]
    return [[row for row in answer if not str(row[0]).startswith(ONLY_HERE)] for answer in rows]
