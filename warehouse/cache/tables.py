"""The tables that the declared datasets make: their columns, and creating or extending them in a cache file."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sources import registry
from sources.model import Cast, Column, Dataset
from warehouse.cache.sql import column_list, definition, quoted

if TYPE_CHECKING:
    import duckdb

TYPES = {
    Cast.INTEGER: "BIGINT",
    Cast.FLOAT: "DOUBLE",
    Cast.TEXT: "VARCHAR",
    Cast.BOOLEAN: "BOOLEAN",
    Cast.TIMESTAMP: "TIMESTAMPTZ",
    Cast.DATE: "DATE",
    Cast.JSON: "VARCHAR",
}

ORIGIN = (
    ("observed_at", "TIMESTAMPTZ"),
    ("purchase_id", "VARCHAR"),
    ("dataset", "VARCHAR"),
    ("row_hash", "UBIGINT"),
    ("seq", "BIGINT"),
)
"""Columns of every table after the declared ones: when, by which purchase and dataset, and the content's hash."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table and the datasets that share it: every column of any of them, in the order of declaration.

    `twin` is the other table where a snapshot and its history have one each. Of a history (`is_history`), the published
    rows of its newest days are those of the snapshots, until it has its own.
    """

    name: str
    columns: tuple[Column, ...]
    natural_key: tuple[str, ...]
    compared: tuple[str, ...]
    datasets: tuple[str, ...]
    twin: str | None = None
    is_history: bool = False

    @property
    def time_column(self) -> str:
        """The column that dates its rows."""
        return registry.dataset(self.datasets[0]).time_column

    @property
    def observations(self) -> str:
        return f"{self.name}_observations"

    @property
    def newest(self) -> str:
        """The cache's index of current rows: per natural key the hash and seq of its newest observation."""
        return f"{self.name}_newest"

    @property
    def content_hash(self) -> str:
        """SQL for the hash of a row of `batch`. One call over all values: hashes joined by XOR would cancel out when
        two columns swap their values."""
        return "hash({})".format(", ".join(f"batch.{quoted(name)}" for name in self.compared))

    @property
    def fields(self) -> tuple[tuple[str, str], ...]:
        """Name and SQL type of every column."""
        return (*((column.name, TYPES[column.cast]) for column in self.columns), *ORIGIN)

    @property
    def newest_fields(self) -> tuple[tuple[str, str], ...]:
        """The same of `newest`. A delivery holds a key once, so that key and seq identify one observation."""
        names = (*self.natural_key, "row_hash", "seq")
        return tuple((name, kind) for name, kind in self.fields if name in names)


@registry.cached
def declared_tables() -> dict[str, Table]:
    """Every declared table by name, in the order of declaration; a history comes before its snapshots."""
    sharing: dict[str, list[Dataset]] = {}
    for dataset in registry.datasets():
        sharing.setdefault(dataset.table, []).append(dataset)
    histories = _histories()
    snapshots = {history: name for name, history in histories.items()}
    twins = {**histories, **snapshots}
    names = dict.fromkeys(each for name in sharing for each in (histories.get(name, name), name))
    return {
        name: replace(_table(name, sharing[name]), twin=twins.get(name), is_history=name in snapshots) for name in names
    }


def _histories() -> dict[str, str]:
    """Map the table of each snapshot that has a history twin with a table of its own to that table."""
    pairs = ((each, registry.history_of(each)) for each in registry.datasets())
    return {each.table: twin.table for each, twin in pairs if twin and twin.table != each.table}


def _table(name: str, members: list[Dataset]) -> Table:
    columns = {column.name: column for member in members for column in member.columns}
    extras = [columns.pop(name) for name in ("extras",) if name in columns]
    compared = dict.fromkeys(column for member in members for column in member.compared)
    keys = {member.natural_key for member in members}
    if len(keys) != 1:
        raise ValueError(f"datasets of table {name} differ in their natural key: {sorted(keys)}")
    return Table(
        name,
        (*columns.values(), *extras),
        members[0].natural_key,
        tuple(compared),
        tuple(member.name for member in members),
    )


def create_table(con: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Create `*_observations`, `*_newest` and the view of the current rows, where they are missing.

    Called when the first row comes: opening a file costs by the tables it has. Not inside a transaction, which
    finding them missing would abort.
    """
    import duckdb

    with suppress(duckdb.CatalogException):
        con.execute(f"SELECT 1 FROM {quoted(table.newest)} LIMIT 0")
        return
    con.execute("BEGIN")
    con.execute(f"CREATE TABLE {quoted(table.observations)} ({definition(table.fields)})")
    con.execute(f"CREATE TABLE {quoted(table.newest)} ({definition(table.newest_fields)})")
    con.execute(_current_view(table))
    con.execute("COMMIT")


def add_missing_columns(con: duckdb.DuckDBPyConnection) -> None:
    """Extend the tables of a file by columns that were declared since."""
    present: dict[str, set[str]] = {}
    query = "SELECT table_name, column_name FROM duckdb_columns() WHERE database_name = current_database()"
    for name, column in con.execute(query).fetchall():
        present.setdefault(name, set()).add(column)
    for table in declared_tables().values():
        if table.observations in present:
            for column, kind in table.fields:
                if column not in present[table.observations]:
                    con.execute(f"ALTER TABLE {quoted(table.observations)} ADD COLUMN {quoted(column)} {kind}")
            con.execute(_current_view(table))


def _current_view(table: Table) -> str:
    key = column_list((*table.natural_key, "seq"))
    rows = f"FROM {quoted(table.observations)} SEMI JOIN {quoted(table.newest)} USING ({key})"
    return f"CREATE OR REPLACE VIEW {quoted(table.name)} AS {rows}"
