"""The names and types of everything that is published, read from a file made in memory: no home is needed."""

from __future__ import annotations

from sources import registry
from warehouse.cache.schema import prepare
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
