"""The data dictionary for people: docs/dictionary.md (`python -m warehouse.exports.dictionary`), and documents.

The names and types of all that is published are read from a file made in memory: no home is needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from sources import registry
from warehouse.cache.schema import prepare
from warehouse.cache.tables import declared_tables
from warehouse.dictionary import find
from warehouse.dictionary.entry import TableEntry
from warehouse.dictionary.find import ENDINGS, base_of
from warehouse.publish.attach import create_tables
from warehouse.publish.views.catalog import ONLY_HERE

PublishedColumns = dict[str, tuple[tuple[str, str], ...]]
"""Name and SQL type of each column, by table or view."""


@registry.cached
def published_columns() -> PublishedColumns:
    """Return every published table and view with its columns, as one publication would make them; without the marker
    of the file itself, whose name is each file's own."""
    import duckdb

    with duckdb.connect() as con:
        prepare(con)
        con.execute("ATTACH ':memory:' AS pub")
        create_tables(con, comments=False)
        query = (
            "SELECT table_name, column_name, data_type FROM duckdb_columns() "
            "WHERE database_name = 'pub' AND NOT internal ORDER BY table_name, column_index"
        )
        found: dict[str, list[tuple[str, str]]] = {}
        for table, column, kind in con.execute(query).fetchall():
            found.setdefault(table, []).append((column, kind))
    named = {table: columns for table, columns in found.items() if not table.startswith(ONLY_HERE)}
    return {table: tuple(columns) for table, columns in named.items()}


_HEAD = """# The data dictionary

Every table and column of `published/warehouse.duckdb`. `tollbook columns TABLE` prints the same, and the file itself
has it as comments: `SELECT column_name, comment FROM duckdb_columns() WHERE table_name = 'signals'`. This page is made
from the declarations: `python -m warehouse.exports.dictionary > docs/dictionary.md`.

**Unit** is *none* where a column has none, and *unknown* where the seller doesn't say. **Time** is the time that a
value is of; *none* for what is of no time. **Source** says where the meaning is from: *documented* by the seller,
*observed* in an answer or on chain, *inferred* from the name or from other facts, or *derived* by tollbook.
"""


class NoSuchTable(LookupError):
    """Raised for a name that nothing is published under. `similar` are names like it."""

    def __init__(self, name: str, similar: list[str]) -> None:
        super().__init__(f"nothing is published as {name!r}")
        self.similar = similar


def list_tables() -> list[dict[str, Any]]:
    """Return every published table and view with its meaning, key and time column."""
    return [_table_document(name) for name in published_columns()]


def describe_table(name: str) -> dict[str, Any]:
    """Return a table with its columns: type, meaning, unit, time basis, source. Raises NoSuchTable."""
    published = published_columns()
    if name not in published:
        holding = [table.name for table in declared_tables().values() if name.replace("_", "-") in table.datasets]
        raise NoSuchTable(name, holding or get_close_matches(name.lower(), published, n=3, cutoff=0.6))
    return {**_table_document(name), "columns": [_column_document(name, *column) for column in published[name]]}


def _table_document(name: str) -> dict[str, Any]:
    entry = find.table(name) or TableEntry("", ())
    return {
        "table": name,
        "meaning": entry.meaning,
        "key": [*entry.key],
        "time_column": entry.time_column,
        "source": entry.source.value,
    }


def _column_document(table: str, name: str, kind: str) -> dict[str, Any]:
    entry = find.column(table, name)
    return {
        "column": name,
        "type": kind,
        "meaning": entry.meaning if entry else "",
        "unit": entry.unit if entry else "",
        "time_basis": entry.time_basis if entry else "",
        "source": entry.source.value if entry else "",
    }


def page() -> str:
    """Return docs/dictionary.md. Columns that every table of a seller has are listed once, and so are its versions."""
    names = [*published_columns()]
    sellers = [name for name in names if name in declared_tables()]
    ours = [name for name in names if base_of(name) is None]
    parts = [_HEAD, "## Columns that every seller's table has\n", _table(_shared(sellers), sellers[0])]
    parts += ["## What is made from each table `T`\n", "\n".join(_made_from_each()) + "\n"]
    parts += ["## Sellers' tables\n", *(section for name in sellers for section in _section(name, _shared(sellers)))]
    parts += ["## Our own tables and views\n", *(section for name in ours for section in _section(name, []))]
    return "\n".join(parts)


def _shared(sellers: list[str]) -> list[tuple[str, str]]:
    columns = [published_columns()[name] for name in sellers]
    return [column for column in columns[0] if all(column in others for others in columns)]


def _made_from_each() -> Iterator[str]:
    """Each ending with its meaning and the columns that it adds."""
    published = published_columns()
    for ending, (meaning, _) in ENDINGS.items():
        bases = [name.removesuffix(ending) for name in published if name.endswith(ending) and base_of(name)]
        if not bases:
            continue
        base = bases[0]
        more = [column for column in published[base + ending] if column not in published[base]]
        added = "; ".join(f"`{name}`: {entry.meaning}" for name, _ in more if (entry := find.column(base, name)))
        yield f"- `T{ending}`: {meaning.format(table='`T`')}{f' (also {added})' if added else ''}"


def _section(name: str, shared: list[tuple[str, str]]) -> list[str]:
    entry = find.table(name) or TableEntry("", ())
    key = f" One row per {', '.join(f'`{column}`' for column in entry.key)}." if entry.key else ""
    columns = [column for column in published_columns()[name] if column not in shared]
    return [f"### {name}\n", f"{entry.meaning.rstrip('.')}.{key}\n", _table(columns, name)]


def _table(columns: list[tuple[str, str]], table: str) -> str:
    lines = ["| column | type | meaning | unit | time | source |", "|---|---|---|---|---|---|"]
    for name, kind in columns:
        cells = _column_document(table, name, kind)
        texts = (cells[part].replace("|", "\\|") for part in ("meaning", "unit", "time_basis", "source"))
        short = kind.replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ")
        lines.append(f"| `{name}` | {short} | {' | '.join(texts)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(page(), end="")
