"""The dbt source file, from the catalogue. `dbt parse` and `dbt test` were tried by hand on a published file."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from warehouse.cache.tables import declared_tables
from warehouse.exports.dbt import write_sources
from warehouse.publish.views import row_versions
from warehouse.publish.views.catalog import ONLY_HERE
from warehouse.query import query


@pytest.fixture(scope="module")
def tables() -> dict[str, dict[str, Any]]:
    out = io.StringIO()
    write_sources(out)
    [source] = yaml.safe_load(out.getvalue())["sources"]
    return {table["name"]: table for table in source["tables"]}


def test_the_file_names_every_table_and_column_current_observed_and_versions(tables: dict[str, dict[str, Any]]) -> None:
    for own in declared_tables().values():
        current, versions = row_versions.current_fields(own), row_versions.version_fields(own)
        for name, fields in ((own.name, current), (own.observations, current), (f"{own.name}_versions", versions)):
            assert [column["name"] for column in tables[name]["columns"]] == [column for column, _ in fields]


def test_the_file_names_all_that_is_published_and_describes_every_column(
    tables: dict[str, dict[str, Any]], market_home: Path
) -> None:
    sql = f"SELECT table_name FROM information_schema.tables WHERE NOT starts_with(table_name, '{ONLY_HERE}')"
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


def test_every_source_can_be_selected_from_as_the_documented_profile_attaches_the_file(
    tables: dict[str, dict[str, Any]], market_home: Path
) -> None:
    """With a database of one's own as the default, and the documented model on as-of."""
    page = Path("docs/data.md").read_text("utf-8").split("\ndbt: ")[1].split("\n## ")[0]
    [attach] = re.findall(r"attach: (\[.*\])", page)
    [profile] = yaml.safe_load(attach)
    assert profile == {"path": "published/warehouse.duckdb", "read_only": True}
    out = io.StringIO()
    write_sources(out)
    [source] = yaml.safe_load(out.getvalue())["sources"]
    model = page.split("```\n")[-2].replace("{{ source('tollbook', 'grades_versions') }}", "{grades_versions}")
    asked = model.replace("{{ var('as_of') }}", "now()")
    with duckdb.connect() as con:
        con.execute(f"ATTACH '{market_home / profile['path']}' (READ_ONLY)")
        for name in tables:
            con.execute(f'SELECT * FROM {source["database"]}.{source["schema"]}."{name}" LIMIT 1').fetchall()
        versions = f"{source['database']}.{source['schema']}.grades_versions"
        rows = con.execute(asked.format(grades_versions=versions)).fetchall()
    assert len(rows) == query(market_home, "SELECT count(*) FROM grades")[1][0][0]
