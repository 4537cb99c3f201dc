"""Names, values and conditions as SQL text, statements that recur, and appending rows to a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_PARSED_AT_MOST = 500

_parsed: dict[str, duckdb.Statement] = {}

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


def parsed(con: duckdb.DuckDBPyConnection, query: str) -> duckdb.Statement:
    """The statement of a query that recurs, parsed once in this process: parsing takes a tenth of a small load.

    Its tables `_batch`, `_fresh` and `_rows` are Arrow tables, which DuckDB takes from the variables of the function
    that executes it; registering them takes as long as the query. No declared table begins with an underscore.
    """
    statement = _parsed.get(query)
    if statement is None:
        if len(_parsed) >= _PARSED_AT_MOST:
            _parsed.clear()
        [statement] = con.extract_statements(query)
        _parsed[query] = statement
    return statement


def arrow_table(kinds: Mapping[str, str], rows: Sequence[Sequence[Any]]) -> pa.Table:
    """Rows as Arrow: the names of their columns, in order, with the names of Arrow's types."""
    import pyarrow as pa

    columns = zip(*rows, strict=True) if rows else [()] * len(kinds)
    arrays = [pa.array(each, _arrow_type(kind)) for each, kind in zip(columns, kinds.values(), strict=True)]
    return pa.table(arrays, list(kinds))


@cache
def _arrow_type(kind: str) -> pa.DataType:
    import pyarrow as pa

    times = {"time": pa.timestamp("us", "UTC"), "second": pa.timestamp("s", "UTC")}
    lists = {"strings": pa.list_(pa.string()), "numbers": pa.list_(pa.int64())}
    return times.get(kind) or lists.get(kind) or pa.type_for_alias(kind)


def append(con: duckdb.DuckDBPyConnection, table: str, kinds: Mapping[str, str], rows: Sequence[Sequence[Any]]) -> None:
    """Insert rows at the table's end; `kinds` are their columns as `arrow_table` takes them."""
    names = column_list(kinds)
    if 0 < len(rows) <= INLINE_LIMIT:
        lines = ", ".join([f"({', '.join('?' * len(kinds))})"] * len(rows))
        query = f"INSERT INTO {table} ({names}) VALUES {lines}"
        con.execute(parsed(con, query), [value for row in rows for value in row])
    elif rows:
        _rows = arrow_table(kinds, rows)
        con.execute(parsed(con, f"INSERT INTO {table} ({names}) SELECT {names} FROM _rows"))
