"""Read the published file from Python, also with the parameter names of the seller's SDK.

Everything about the tables (names, keys, time columns) is read from the file itself.
"""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import pyarrow as pa

When = str | date | datetime
Tokens = int | str | Iterable[int | str]
"""An id, a symbol, a comma list, or any iterable of ids and symbols; numbers of NumPy and pandas, too."""


@overload
def read(
    name: str, *, tokens: Tokens | None = ..., start: When | None = ..., end: When | None = ...,
    as_of: When | None = ..., home: Path | str | None = ..., format: Literal["pandas"] = ...,
    symbol: Tokens | None = ..., token_id: Tokens | None = ...,
    startDate: When | None = ..., endDate: When | None = ...,
) -> pd.DataFrame: ...  # fmt: skip
@overload
def read(
    name: str, *, tokens: Tokens | None = ..., start: When | None = ..., end: When | None = ...,
    as_of: When | None = ..., home: Path | str | None = ..., format: Literal["arrow"],
    symbol: Tokens | None = ..., token_id: Tokens | None = ...,
    startDate: When | None = ..., endDate: When | None = ...,
) -> pa.Table: ...  # fmt: skip


def read(
    name: str,
    *,
    tokens: Tokens | None = None,
    start: When | None = None,
    end: When | None = None,
    as_of: When | None = None,
    home: Path | str | None = None,
    format: Literal["pandas", "arrow"] = "pandas",
    symbol: Tokens | None = None,
    token_id: Tokens | None = None,
    startDate: When | None = None,
    endDate: When | None = None,
) -> Any:
    """Return the rows of a published table, in the order of its natural key.

    `tokens` are ids or symbols. `start` and `end` are inclusive, days or times, UTC. With `as_of`, each row as it was
    known then. `home` is TOLLBOOK_HOME. `symbol`, `token_id`, `startDate` and `endDate` are the SDK's names for the
    same. Raises KeyError for an unknown table, FileNotFoundError before the first run, ValueError or TypeError for what
    can't be asked, naming what can.
    """
    if format not in ("pandas", "arrow"):
        raise ValueError(f"format={format!r}: there are 'pandas' and 'arrow'")
    with _attached(_published(home, name)) as con:
        con.execute(f"USE {CATALOG}")
        table = _find_table(con, name)
        source, values = (_quoted(name), []) if as_of is None else (f"{name}_as_of(?)", [_moment("as_of", as_of)])
        where, more = _conditions(
            table,
            _one_of(tokens=tokens, symbol=symbol, token_id=token_id),
            _one_of(start=start, startDate=startDate),
            _one_of(end=end, endDate=endDate),
        )
        key = ", ".join(_quoted(column) for column in table.natural_key)
        sql = f"SELECT * FROM {source} WHERE {where} ORDER BY {key}"
        rows = con.sql(sql, params=[*values, *more]).to_arrow_table()
        return rows.to_pandas(date_as_object=False) if format == "pandas" else rows


def connect(home: Path | str | None = None) -> duckdb.DuckDBPyConnection:
    """Open the newest publication in a DuckDB connection of its own; times are in UTC.

    Tables, views and macros have their published names (`grades`, `grades_as_of(ts)`), also on cursors; tables that you
    create live in memory. The connection keeps the publication it opened; connect again for a newer one. `home` is
    TOLLBOOK_HOME. Raises FileNotFoundError before the first run.
    """
    con = _attached(_published(home, "grades"))
    try:
        con.execute("".join(_aliases(con)))
    except BaseException:
        con.close()
        raise
    return con


def _aliases(con: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """Statements that give everything in the file its own name in memory. `USE` would not reach cursors."""
    names = (
        "SELECT table_name FROM duckdb_tables() WHERE database_name = $1 UNION ALL "
        "SELECT view_name FROM duckdb_views() WHERE database_name = $1 AND NOT internal"
    )
    macros = (
        "SELECT function_name, parameters FROM duckdb_functions() "
        "WHERE database_name = $1 AND function_type = 'table_macro' AND NOT internal"
    )
    for (name,) in con.execute(names, [CATALOG]).fetchall():
        yield f"CREATE VIEW memory.{_quoted(name)} AS FROM {CATALOG}.{_quoted(name)};\n"
    for name, parameters in con.execute(macros, [CATALOG]).fetchall():
        # A macro's body looks names up in the caller's catalog, where the views above have them.
        taken = ", ".join(_quoted(each) + DEFAULTS.get(each, "") for each in parameters)
        given = ", ".join(f"{each} => {each}" if each in DEFAULTS else _quoted(each) for each in parameters)
        yield f"CREATE MACRO memory.{_quoted(name)}({taken}) AS TABLE FROM {CATALOG}.{_quoted(name)}({given});\n"


DEFAULTS = {"basis": " := 'observed'"}
"""Parameters of macros that may be left out; DuckDB doesn't list what they are then."""

CATALOG = "warehouse"
"""The name under which the published file is attached."""


def _published(home: Path | str | None, flow: str) -> Path:
    path = Path(home or os.environ.get("TOLLBOOK_HOME", ".")) / "published" / "warehouse.duckdb"
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there: run `tollbook run {flow}` first, or pass home=")
    return path


def _attached(path: Path) -> duckdb.DuckDBPyConnection:
    """Attach the published file, read-only, to a database in memory.

    Connecting to the path itself would give the version that another connection of this process still holds open.
    """
    import duckdb

    con = duckdb.connect(":memory:")
    try:
        con.execute("SET GLOBAL TimeZone = 'UTC'")
        escaped = str(path).replace("'", "''")
        con.execute(f"ATTACH '{escaped}' AS {CATALOG} (READ_ONLY)")
    except BaseException:
        con.close()
        raise
    return con


@dataclass(frozen=True, slots=True)
class _Table:
    """A published table as the file describes it."""

    name: str
    columns: frozenset[str]
    natural_key: tuple[str, ...]
    time_column: str


def _find_table(con: duckdb.DuckDBPyConnection, name: str) -> _Table:
    """Find a table. Raises KeyError listing the tables there are, or naming the one that holds a dataset's rows."""
    import duckdb

    try:
        rows = con.execute("FROM published_tables").fetchall()
    except duckdb.CatalogException:
        advice = "run `tollbook rebuild` once; it costs nothing"
        raise RuntimeError(f"this file was published by an older tollbook: {advice}") from None
    for table, natural_key, time_column, _ in rows:
        if table == name:
            columns = con.execute(f"SELECT * FROM {_quoted(name)} LIMIT 0").description
            return _Table(name, frozenset(column[0] for column in columns), tuple(natural_key), time_column)
    holding = [table for table, _, _, datasets in rows if name.replace("_", "-") in datasets]
    fix = f"its rows are in {holding[0]!r}" if holding else f"there are {', '.join(row[0] for row in rows)}"
    raise KeyError(f"no table {name!r}; {fix}")


def _quoted(name: str) -> str:
    """A name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _one_of(**names: Any) -> tuple[str, Any]:
    """The name and value that was given, of several names for the same parameter."""
    given = {name: value for name, value in names.items() if value is not None}
    if len(given) > 1:
        raise TypeError(f"{' and '.join(given)} are names for the same: give one of them")
    return next(iter(given.items()), (next(iter(names)), None))


def _conditions(
    table: _Table, tokens: tuple[str, Any], start: tuple[str, Any], end: tuple[str, Any]
) -> tuple[str, list[object]]:
    parts, values = ["true"], []
    if tokens[1] is not None:
        condition, chosen = _of_tokens(table, *tokens)
        parts.append(condition)
        values += chosen
    column = _quoted(table.time_column)
    if start[1] is not None:
        parts.append(f"{column} >= ?")
        values.append(_moment(*start))
    if end[1] is not None:
        last = _moment(*end) if _has_time(end[1]) else _moment(*end) + timedelta(days=1)
        parts.append(f"{column} {'<=' if _has_time(end[1]) else '<'} ?")
        values.append(last)
    if start[1] is not None and end[1] is not None and _moment(*start) > _moment(*end):
        raise ValueError(f"{start[0]}={start[1]!r} is after {end[0]}={end[1]!r}: swap them")
    return " AND ".join(parts), values


def _of_tokens(table: _Table, name: str, tokens: Tokens) -> tuple[str, list[object]]:
    """The condition that selects tokens. A table without token ids (moonshots) is selected from by symbol only."""
    ids, symbols = _split_tokens(name, tokens)
    if ids and "token_id" not in table.columns:
        fix = f"give symbols, such as {name}=['BTC']" if "token_symbol" in table.columns else f"leave {name} out"
        raise ValueError(f"{table.name} has no token ids: {fix}")
    if symbols and "token_symbol" not in table.columns:
        fix = f"give ids, such as {name}=[3375]" if "token_id" in table.columns else f"leave {name} out"
        raise ValueError(f"{table.name} has no token symbols: {fix}")
    parts: list[str] = []
    values: list[object] = []
    if ids:
        parts.append("token_id IN (SELECT unnest(?::BIGINT[]))")
        values.append(ids)
    if symbols:
        parts.append("token_symbol IN (SELECT unnest(?::VARCHAR[]))")
        values.append(symbols)
    return f"({' OR '.join(parts) or 'false'})", values


def _split_tokens(name: str, tokens: Tokens) -> tuple[list[int], list[str]]:
    """Split tokens into ids and symbols. Text may be a comma list, as in the seller's API; digits are an id."""
    if isinstance(tokens, str):
        tokens = [word.strip() for word in tokens.split(",") if word.strip()]
    ids: list[int] = []
    symbols: list[str] = []
    for token in tokens if isinstance(tokens, Iterable) else [tokens]:
        if isinstance(token, str):
            symbols.append(token)
            continue
        if isinstance(token, bool) or not hasattr(token, "__index__"):
            raise TypeError(f"{name}: {token!r} is neither an id nor a symbol: write 3375 or 'BTC'")
        ids.append(operator.index(token))
    ids += [int(word) for word in symbols if word.isdecimal()]
    return ids, [word for word in symbols if not word.isdecimal()]


def _has_time(when: When) -> bool:
    return isinstance(when, datetime) or (isinstance(when, str) and len(when) > len("2026-11-22"))


def _moment(name: str, when: When) -> datetime:
    if isinstance(when, str):
        try:
            when = datetime.fromisoformat(when) if _has_time(when) else date.fromisoformat(when)
        except ValueError:
            raise ValueError(f"{name}={when!r} is no day or time: write '2026-01-31' or '2026-01-31T14:00Z'") from None
    if isinstance(when, datetime):
        return when if when.tzinfo else when.replace(tzinfo=UTC)
    if not isinstance(when, date):
        raise TypeError(f"{name}={when!r} is no day or time: give text, a date or a datetime")
    return datetime(when.year, when.month, when.day, tzinfo=UTC)
