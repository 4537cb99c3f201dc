"""Publish again what the cache deleted and loaded again since, when a late delivery arrived."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from datetime import datetime
from typing import TYPE_CHECKING

from warehouse.cache.sql import column_list, literal, quoted
from warehouse.cache.tables import Table, declared_tables
from warehouse.publish.views import row_versions, table_parts

if TYPE_CHECKING:
    import duckdb


def replay(con: duckdb.DuckDBPyConnection, late: Sequence[tuple[Table, datetime]], *, parts: bool) -> None:
    """Replace rows of `pub` that late deliveries may have changed, for deliveries known to both: of each table those
    from a time on."""
    for table, since in late:
        for each in (table, *showing(table)):
            _replay_table(con, each, since, parts=parts)


def replay_loads(con: duckdb.DuckDBPyConnection, late: Sequence[tuple[Table, datetime]]) -> None:
    """Replace the deliveries themselves, by what they turned out to have changed."""
    con.execute(f"DELETE FROM pub.loads WHERE {replayed(late)}")
    con.execute(f"INSERT INTO pub.loads BY NAME FROM loads WHERE {replayed(late)}")


def replayed(late: Sequence[tuple[Table, datetime]]) -> str:
    """The condition that a delivery is one of those."""
    conditions = [
        f"(dataset IN ({', '.join(map(literal, table.datasets))}) AND observed_at >= TIMESTAMPTZ '{since.isoformat()}')"
        for table, since in late
    ]
    return " OR ".join(conditions) or "false"


def showing(table: Table) -> list[Table]:
    """The history that shows this table's rows provisionally, if it is one of snapshots."""
    return [declared_tables()[table.twin]] if table.twin and not table.is_history else []


def _replay_table(con: duckdb.DuckDBPyConnection, table: Table, since: datetime, *, parts: bool) -> None:
    key, published = column_list(table.natural_key), f"pub.{quoted(row_versions.name_of(table))}"
    moment = f"TIMESTAMPTZ '{since.isoformat()}'"
    touched = [
        f"SELECT {key} FROM {published} WHERE observed_at >= {moment} OR valid_to >= {moment} "
        f"OR (valid_to IS NULL AND dataset IN {row_versions.provisional_datasets(table)})",
        *(f"SELECT {key} FROM {quoted(name)} WHERE observed_at >= {moment}" for name in sources(table)),
    ]
    con.execute(f"CREATE OR REPLACE TEMP TABLE touched AS {' UNION '.join(touched)}")
    replace_rows(con, table, parts=parts)


def sources(table: Table) -> list[str]:
    """The cache's observations that a published table is made of: its own and, of a history, its snapshots'."""
    twin = declared_tables()[table.twin] if table.is_history and table.twin else None
    return [table.observations, *([twin.observations] if twin else [])]


def replace_rows(con: duckdb.DuckDBPyConnection, table: Table, *, every: bool = False, parts: bool) -> None:
    """Replace the published rows of the keys in the table `touched` by those of the cache; with `every`, add the rows
    of all keys to tables that are empty. `parts`: with their digests."""
    names = [table.name, row_versions.name_of(table)]
    current, versions = (f"pub.{quoted(name)}" for name in names)
    same = row_versions.same_key(table, "p", "k")
    touched = "" if every else f"SEMI JOIN touched k ON {same}"
    chosen = [quoted(name) for name in sources(table)]
    with table_parts.carried(con, names, touched) if parts else nullcontext():
        if not every:
            for number, name in enumerate(chosen):
                rows = f"SELECT p.* FROM {name} p {touched}"
                con.execute(f"CREATE OR REPLACE TEMP TABLE chosen_{number} AS {rows}")
            chosen = [f"chosen_{number}" for number in range(len(chosen))]
            for name in (current, versions):
                con.execute(f"DELETE FROM {name} p USING touched k WHERE {same}")
        query = row_versions.query(table, chosen[0], chosen[-1], few=not every)
        con.execute(f"INSERT INTO {versions} BY NAME {query}")
        rows = f"SELECT p.* EXCLUDE (valid_from, valid_to) FROM {versions} p {touched} WHERE valid_to IS NULL"
        con.execute(f"INSERT INTO {current} BY NAME {rows}")


def replace_drift(con: duckdb.DuckDBPyConnection) -> None:
    """Publish all schema drift again: a change may have turned out to be older than it was published."""
    con.execute("DELETE FROM pub.drift")
    con.execute("INSERT INTO pub.drift BY NAME FROM drift")
