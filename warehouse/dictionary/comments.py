"""Write the dictionary into a published file, as comments on its tables, views and columns."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from warehouse.cache.sql import literal, quoted
from warehouse.dictionary import find

if TYPE_CHECKING:
    import duckdb


def comment(con: duckdb.DuckDBPyConnection, database: str, only: Collection[str] = ()) -> None:
    """Comment on every table, view and column of an attached database, or on those of the tables `only`.

    A transaction around it makes it ten times as quick.
    """
    views = "SELECT view_name FROM duckdb_views() WHERE database_name = ? AND NOT internal"
    is_view = {name for (name,) in con.execute(views, [database]).fetchall()}
    query = "SELECT table_name, column_name FROM duckdb_columns() WHERE database_name = ? AND NOT internal"
    columns: dict[str, list[str]] = {}
    for table, column in con.execute(query, [database]).fetchall():
        if not only or table in only:
            columns.setdefault(table, []).append(column)
    statements = [
        statement
        for table, names in columns.items()
        for statement in _statements(f"{quoted(database)}.{quoted(table)}", table, names, is_view=table in is_view)
    ]
    if statements:
        con.execute(";\n".join(statements))


def _statements(where: str, table: str, columns: Collection[str], *, is_view: bool) -> Iterator[str]:
    if entry := find.table(table):
        yield f"COMMENT ON {'VIEW' if is_view else 'TABLE'} {where} IS {literal(entry.comment)}"
    for name in columns:
        if described := find.column(table, name):
            yield f"COMMENT ON COLUMN {where}.{quoted(name)} IS {literal(described.comment)}"
