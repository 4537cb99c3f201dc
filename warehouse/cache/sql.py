"""Names, values and conditions as SQL text, and appending rows to a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

INLINE_LIMIT = 8
"""Rows or values up to which writing them into a statement is quicker than passing a table or a list."""


def quoted(name: str) -> str:
    """An identifier as SQL text, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def column_list(names: Iterable[str]) -> str:
    """Quoted names, separated by commas."""
    return ", ".join(quoted(name) for name in names)


def definition(fields: Iterable[tuple[str, str]]) -> str:
    """Names and SQL types as CREATE TABLE takes them."""
    return ", ".join(f"{quoted(name)} {kind}" for name, kind in fields)


def literal(value: object) -> str:
    """A path or word as an SQL string, whatever is in it."""
    return "'" + str(value).replace("'", "''") + "'"


def among(column: str, values: Sequence[str]) -> tuple[str, list[Any]]:
    """A condition that the column has one of these values, and the parameters it takes."""
    if 0 < len(values) <= INLINE_LIMIT:
        return f"{column} IN ({', '.join('?' * len(values))})", list(values)
    return f"{column} IN (SELECT unnest(?::VARCHAR[]))", [list(values)]


def append(con: duckdb.DuckDBPyConnection, table: str, rows: pa.Table) -> None:
    """Insert Arrow rows at the table's end, columns matched by name."""
    names = column_list(rows.column_names)
    if 0 < len(rows) <= INLINE_LIMIT:
        line = f"({', '.join('?' * len(rows.column_names))})"
        values = [value for row in rows.to_pylist() for value in row.values()]
        con.execute(f"INSERT INTO {table} ({names}) VALUES {', '.join([line] * len(rows))}", values)
    elif len(rows):
        con.register("incoming", rows)
        con.execute(f"INSERT INTO {table} ({names}) SELECT {names} FROM incoming")
