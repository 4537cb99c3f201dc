"""docs/data.md says what is there: its queries run, its names exist, its tools' files are well formed."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest

from tests.warehouse.books import DAY, T0, grades
from tests.warehouse.bought import buy_history, open_ledger
from tests.warehouse.test_publish import FIRST, bring_up
from tollbook.warehouse import catalogue, query
from tollbook.warehouse.dbt import write_sources

PAGE = Path("docs/data.md").read_text("utf-8")
BLOCKS = re.findall(r"```sql\n(.*?)```", PAGE, re.S)
STATEMENTS = [statement.strip() for block in BLOCKS for statement in block.split(";\n") if statement.strip()]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Published grades of two tokens."""
    home = tmp_path_factory.mktemp("home")
    with open_ledger(home) as ledger:
        buy_history(ledger, grades([3375, 3306], FIRST, 10), [3375, 3306], FIRST, FIRST + 9 * DAY, T0)
        bring_up(home, ledger)
    return home


@pytest.mark.parametrize("sql", STATEMENTS, ids=[s.split("\n")[0][:50] for s in STATEMENTS])
def test_every_query_of_the_page_runs(home: Path, sql: str) -> None:
    names, _ = query(home, sql.removesuffix(";"))
    assert names


def test_the_page_asks_for_provenance_and_gets_it(home: Path) -> None:
    [sql] = [s for s in STATEMENTS if "provenance" in s]
    assert len(query(home, sql.removesuffix(";"))[1]) == 10


def test_every_name_of_the_pages_table_is_published(home: Path) -> None:
    there = {name for (name,) in query(home, "SELECT table_name FROM information_schema.tables")[1]}
    section = PAGE.split("## Tables")[1].split("## Questions")[0]
    named = {name for row in section.splitlines() if row.startswith("| `") for name in re.findall(r"`(\w+)`", row)}
    assert named <= there


def test_the_dbt_file_names_every_table_and_column() -> None:
    import yaml

    out = io.StringIO()
    write_sources(out)
    [source] = yaml.safe_load(out.getvalue())["sources"]
    found = {table["name"]: {column["name"] for column in table["columns"]} for table in source["tables"]}
    assert found == {own.name: {name for name, _ in own.fields} for own in catalogue.tables()}
