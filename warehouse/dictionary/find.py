"""Find the entry of any published table, view or column by its name, and write all of them into a file as comments."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from sources.model import Column, Dataset, Evidence, Kind
from sources.registry import dataset
from warehouse.cache.sql import literal, quoted
from warehouse.cache.tables import Table, declared_tables
from warehouse.dictionary.columns import COLUMNS, SPECIAL
from warehouse.dictionary.entry import ColumnEntry, TableEntry
from warehouse.dictionary.tables import TABLES

if TYPE_CHECKING:
    import duckdb

ENDINGS = {
    "_observations": ("Every version of every row of {table} ever seen", ("observed_at", "seq")),
    "_versions": ("Every version of every row of {table}, with the time for which it held", ("valid_from", "seq")),
    "_first_seen": ("Each row of {table} as it first arrived: events for back-tests", ()),
    "_first_published": ("Each row of {table} as it was first published: events for back-tests", ()),
    "_current": ("Of each key of {table} the rows of the newest snapshot only", ()),
}
"""Endings of what is made from a table: its meaning, and the columns that its key has beside the table's."""


def base_of(name: str) -> tuple[Table, str] | None:
    """The declared table that a published name is of, and the ending; None for a name of another kind."""
    tables = declared_tables()
    if name in tables:
        return tables[name], ""
    for ending in ENDINGS:
        if name.endswith(ending) and name.removesuffix(ending) in tables:
            return tables[name.removesuffix(ending)], ending
    return None


def _table_entry(table: Table, ending: str) -> TableEntry:
    """The entry of a declared table, or of what is made from it."""
    time = table.time_column
    if ending:
        meaning, more = ENDINGS[ending]
        return TableEntry(meaning.format(table=table.name), (*table.natural_key, *more), time)
    docs = " ".join(dict.fromkeys(dataset(name).doc for name in table.datasets))
    meaning = f"{docs.rstrip('.')}. Current rows; bought as {', '.join(table.datasets)}"
    return TableEntry(meaning, table.natural_key, time, Evidence.DOCUMENTED)


def _column_entry(table: Table, name: str) -> ColumnEntry | None:
    """The entry of a column that a seller's datasets declare; None for one that is ours."""
    declared = next((column for column in table.columns if column.name == name), None)
    if declared is None:
        return None
    return ColumnEntry(declared.doc, declared.unit, _time_basis(table, declared), declared.source)


def _time_basis(table: Table, column: Column) -> str:
    """The column's own, or the time that the datasets' values are of."""
    if column.time_basis:
        return column.time_basis
    if column.name == "extras":
        return "the row's"
    having = [each for each in map(dataset, table.datasets) if column.name in {own.name for own in each.columns}]
    bases = dict.fromkeys(_basis_of(each) for each in having)
    if len(bases) == 1:
        return next(iter(bases))
    return "; ".join(f"{_basis_of(each)} for rows of {each.name}" for each in having)


def _basis_of(each: Dataset) -> str:
    if each.kind is Kind.SERIES:
        return f"the row's period, which begins at `{each.time_column}` (UTC)"
    return "the time of the answer, `observed_at`"


_OWN_FILE = TableEntry("Marks the file that macros belong to, so that they never read another's tables", ())
_OWN_FILE_PREFIX = "only_in_its_own_file"


def table(name: str) -> TableEntry | None:
    """Return the entry of a table or view; None for a name that is not declared."""
    if base := base_of(name):
        return _table_entry(*base)
    if name in TABLES:
        return TABLES[name]
    if name.startswith(_OWN_FILE_PREFIX):
        return _OWN_FILE
    for ending, (meaning, more) in ENDINGS.items():
        own = TABLES.get(name.removesuffix(ending)) if name.endswith(ending) else None
        if own:
            return TableEntry(meaning.format(table=name.removesuffix(ending)), (*own.key, *more), own.time_column)
    return None


def column(table_name: str, name: str) -> ColumnEntry | None:
    """Return the entry of a column: what the seller's datasets declare, else what the name means with us."""
    base = base_of(table_name)
    declared = _column_entry(base[0], name) if base else None
    return declared or SPECIAL.get((table_name, name)) or COLUMNS.get(name)


def fingerprint() -> str:
    """Everything that the dictionary says, as text: a file with other comments gets these."""
    declared = [(name, table.columns, table.datasets) for name, table in declared_tables().items()]
    return repr((declared, sorted(TABLES.items()), sorted(COLUMNS.items()), sorted(SPECIAL.items())))


def comment(con: duckdb.DuckDBPyConnection, database: str, only: Collection[str] = ()) -> None:
    """Comment on every table, view and column of an attached database, or on those of the tables `only`.

    A transaction around it makes it ten times as quick.
    """
    views = "SELECT view_name FROM duckdb_views() WHERE database_name = ? AND NOT internal"
    is_view = {name for (name,) in con.execute(views, [database]).fetchall()}
    query = "SELECT table_name, column_name FROM duckdb_columns() WHERE database_name = ? AND NOT internal"
    columns: dict[str, list[str]] = {}
    for name, each in con.execute(query, [database]).fetchall():
        if not only or name in only:
            columns.setdefault(name, []).append(each)
    statements = [
        statement
        for name, names in columns.items()
        for statement in _statements(f"{quoted(database)}.{quoted(name)}", name, names, is_view=name in is_view)
    ]
    if statements:
        con.execute(";\n".join(statements))


def _statements(where: str, name: str, columns: Collection[str], *, is_view: bool) -> Iterator[str]:
    if entry := table(name):
        yield f"COMMENT ON {'VIEW' if is_view else 'TABLE'} {where} IS {literal(entry.comment)}"
    for each in columns:
        if described := column(name, each):
            yield f"COMMENT ON COLUMN {where}.{quoted(each)} IS {literal(described.comment)}"
