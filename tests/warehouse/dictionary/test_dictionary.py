"""The data dictionary is complete: nothing is published without a meaning and a unit, in the file and on the page."""

from __future__ import annotations

from pathlib import Path

import pytest

from sources.model import Evidence
from sources.registry import datasets
from tests.docs.generate import DICTIONARY
from warehouse.dictionary import find
from warehouse.exports import dictionary
from warehouse.exports.dictionary import published_columns
from warehouse.publish.views.catalog import ONLY_HERE
from warehouse.query import query

FIX = "declare it in warehouse/dictionary/, or with the dataset's column in sources/sellers/"


def test_no_table_and_no_column_is_without_meaning_and_unit() -> None:
    tables = [name for name in published_columns() if not ((own := find.table(name)) and own.meaning)]
    assert tables == [], FIX
    columns = [
        f"{table}.{name}"
        for table, published in published_columns().items()
        for name, _ in published
        if not ((entry := find.column(table, name)) and entry.meaning and entry.unit and entry.time_basis)
    ]
    assert columns == [], FIX


def test_every_declared_column_says_what_it_means_in_which_unit() -> None:
    lacking = [f"{each.name}.{c.name}" for each in datasets() for c in each.columns if not (c.doc and c.unit)]
    assert lacking == []


def test_the_published_file_has_it_as_comments_also_after_facts_were_replaced(market_home: Path) -> None:
    """Quality facts are replaced with each publication, and views with each declaration."""
    without = "SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal AND comment IS NULL"
    assert query(market_home, without)[1] == []
    names = (
        "SELECT table_name, comment FROM duckdb_tables() UNION ALL "
        "SELECT view_name, comment FROM duckdb_views() WHERE NOT internal"
    )
    comments = dict(query(market_home, names)[1])
    assert [name for name, comment in comments.items() if not comment] == []
    assert comments["costs"].endswith("One row per purchase_id. Source: derived.")


def test_the_files_columns_are_those_of_an_empty_publication(market_home: Path) -> None:
    sql = (
        "SELECT table_name, list((column_name, data_type) ORDER BY column_index) "
        "FROM duckdb_columns() WHERE NOT internal GROUP BY 1"
    )
    found = {table: tuple(map(tuple, columns)) for table, columns in query(market_home, sql)[1]}
    published = {table: columns for table, columns in found.items() if not table.startswith(ONLY_HERE)}
    assert published == published_columns()


def test_what_nobody_knows_is_said_to_be_unknown() -> None:
    """Ratio or percent, and since when: the seller doesn't say, and one observed row is no proof."""
    for name in ("trading_signals_returns", "holding_returns"):
        entry = find.column("signals", name)
        assert entry is not None
        assert entry.unit == "unknown"
        assert "Unknown: whether ratio or percent, and since when" in entry.meaning
        assert entry.source is Evidence.OBSERVED


def test_a_shared_table_says_for_which_dataset_a_time_basis_holds() -> None:
    entry = find.column("grades", "tm_grade")
    assert entry is not None
    assert "tm-grade" in entry.time_basis or "period" in entry.time_basis


@pytest.mark.parametrize("table", published_columns())
def test_amounts_are_exact_and_times_are_aware(table: str) -> None:
    """No float for money, no whole number that Parquet or pandas turns into one, no time without its zone."""
    for name, kind in published_columns()[table]:
        entry = find.column(table, name)
        assert entry is not None
        assert kind not in ("TIMESTAMP", "HUGEINT", "TIME"), name
        if entry.unit.startswith(("the asset", "atomic units")):
            assert kind.startswith("DECIMAL(38"), name
        if entry.unit == "UTC time":
            assert kind == "TIMESTAMP WITH TIME ZONE", name
        if entry.unit == "UTC day":
            assert kind == "DATE", name


def test_the_page_is_current() -> None:
    assert DICTIONARY.read_text() == dictionary.page(), "run: python -m tests.docs.generate"


def test_an_unknown_table_is_refused_with_similar_ones() -> None:
    with pytest.raises(dictionary.NoSuchTable) as refused:
        dictionary.describe_table("signal")
    assert "signals" in refused.value.similar
    with pytest.raises(dictionary.NoSuchTable) as refused:
        dictionary.describe_table("trading-signals")
    assert refused.value.similar == ["signals"]
