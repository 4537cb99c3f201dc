"""The dbt source file, from the catalogue. `dbt parse` and `dbt test` were tried by hand on a published file."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import yaml

from warehouse.cache.tables import declared_tables
from warehouse.exports.dbt import write_sources
from warehouse.query import query


@pytest.fixture(scope="module")
def tables() -> dict[str, dict[str, Any]]:
    out = io.StringIO()
    write_sources(out)
    [source] = yaml.safe_load(out.getvalue())["sources"]
    return {table["name"]: table for table in source["tables"]}


def test_the_file_names_every_table_and_column_current_and_observed(tables: dict[str, dict[str, Any]]) -> None:
    for own in declared_tables().values():
        for name in (own.name, own.observations):
            assert [column["name"] for column in tables[name]["columns"]] == [column for column, _ in own.fields]


def test_the_file_names_all_that_is_published_and_describes_every_column(
    tables: dict[str, dict[str, Any]], market_home: Path
) -> None:
    sql = "SELECT table_name FROM information_schema.tables"
    assert set(tables) == {name for (name,) in query(market_home, sql)[1]}
    for name, table in tables.items():
        assert table["description"], name
        assert all(column["description"] and column["data_type"] for column in table["columns"]), name


def test_each_uniqueness_test_holds_on_published_rows(tables: dict[str, dict[str, Any]], market_home: Path) -> None:
    """As dbt asks it: the expression of the test, once per row."""
    asked = []
    for name, table in tables.items():
        if "data_tests" not in table:
            continue  # its rows have no key
        [test] = table["data_tests"]
        key = test["unique"]["arguments"]["column_name"]
        asked.append(f"SELECT '{name}' AS name, count(*) - count(DISTINCT {key}) AS surplus FROM \"{name}\"")
    assert query(market_home, f"SELECT name FROM ({' UNION ALL '.join(asked)}) WHERE surplus > 0")[1] == []
