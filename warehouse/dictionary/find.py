"""Find the entry of any published table, view or column by its name."""

from __future__ import annotations

from warehouse.cache.tables import declared_tables
from warehouse.dictionary.columns import COLUMNS, SPECIAL
from warehouse.dictionary.datasets import ENDINGS, base_of, column_entry
from warehouse.dictionary.datasets import table_entry as declared_entry
from warehouse.dictionary.entry import ColumnEntry, TableEntry
from warehouse.dictionary.tables import TABLES

_OWN_FILE = TableEntry("Marks the file that macros belong to, so that they never read another's tables", ())
_OWN_FILE_PREFIX = "only_in_its_own_file"


def table(name: str) -> TableEntry | None:
    """Return the entry of a table or view; None for a name that is not declared."""
    if base := base_of(name):
        return declared_entry(*base)
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
    declared = column_entry(base[0], name) if base else None
    return declared or SPECIAL.get((table_name, name)) or COLUMNS.get(name)


def fingerprint() -> str:
    """Everything that the dictionary says, as text: a file with other comments gets these."""
    declared = [(name, table.columns, table.datasets) for name, table in declared_tables().items()]
    return repr((declared, sorted(TABLES.items()), sorted(COLUMNS.items()), sorted(SPECIAL.items())))
