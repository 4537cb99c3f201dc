"""Dictionary entries of the tables that sellers' datasets fill, and of the tables and views made from those."""

from __future__ import annotations

from sources.model import Column, Dataset, Evidence, Kind
from sources.registry import dataset
from warehouse.cache.tables import Table, declared_tables
from warehouse.dictionary.entry import ColumnEntry, TableEntry

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


def table_entry(table: Table, ending: str) -> TableEntry:
    """The entry of a declared table, or of what is made from it."""
    time = dataset(table.datasets[0]).time_column
    if ending:
        meaning, more = ENDINGS[ending]
        return TableEntry(meaning.format(table=table.name), (*table.natural_key, *more), time)
    docs = " ".join(dict.fromkeys(dataset(name).doc for name in table.datasets))
    meaning = f"{docs.rstrip('.')}. Current rows; bought as {', '.join(table.datasets)}"
    return TableEntry(meaning, table.natural_key, time, Evidence.DOCUMENTED)


def column_entry(table: Table, name: str) -> ColumnEntry | None:
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
