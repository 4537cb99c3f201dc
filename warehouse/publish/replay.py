"""Publish again what the cache deleted and loaded again since, when a late delivery arrived."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from warehouse.cache.rewinds import rewound_tables
from warehouse.cache.sql import column_list, literal, quoted
from warehouse.cache.tables import Table

if TYPE_CHECKING:
    import duckdb


def replay(con: duckdb.DuckDBPyConnection, after: int) -> None:
    """Replace rows of `pub` that a rewind behind the first `after` may have changed, for deliveries known to both."""
    for table, since in rewound_tables(con, after):
        _replay_table(con, table, since)


def _replay_table(con: duckdb.DuckDBPyConnection, table: Table, since: datetime) -> None:
    published, cached = f"pub.{quoted(table.observations)}", quoted(table.observations)
    key = column_list(table.natural_key)
    later = f"observed_at >= TIMESTAMPTZ '{since.isoformat()}'"
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE touched AS SELECT {key} FROM {published} WHERE {later} "
        f"UNION SELECT {key} FROM {cached} WHERE {later}"
    )
    con.execute(f"DELETE FROM {published} WHERE {later}")
    con.execute(f"INSERT INTO {published} BY NAME FROM {cached} WHERE {later}")
    replace_current_rows(con, table)
    datasets = f"dataset IN ({', '.join(literal(name) for name in table.datasets)})"
    con.execute(f"DELETE FROM pub.loads WHERE {datasets} AND {later}")
    con.execute(f"INSERT INTO pub.loads BY NAME FROM loads WHERE {datasets} AND {later}")


def replace_current_rows(con: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Replace the published current rows of the keys in the table `touched` by those of the cache."""
    same = " AND ".join(f"p.{quoted(n)} IS NOT DISTINCT FROM k.{quoted(n)}" for n in table.natural_key)
    con.execute(f"DELETE FROM pub.{quoted(table.name)} p USING touched k WHERE {same}")
    newest = f"FROM {quoted(table.newest)} p SEMI JOIN touched k ON {same}"
    version = column_list((*table.natural_key, "seq"))
    current = f"FROM {quoted(table.observations)} SEMI JOIN ({newest}) USING ({version})"
    con.execute(f"INSERT INTO pub.{quoted(table.name)} BY NAME {current}")


def replace_drift(con: duckdb.DuckDBPyConnection) -> None:
    """Publish all schema drift again: a change may have turned out to be older than it was published."""
    con.execute("DELETE FROM pub.drift")
    con.execute("INSERT INTO pub.drift BY NAME FROM drift")
