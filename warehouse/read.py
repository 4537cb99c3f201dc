"""Reading the published file from Python, with the parameter names that users of the seller's SDK know."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from warehouse.cache.sql import quoted
from warehouse.cache.tables import Table
from warehouse.publish.views import catalog as catalogue

if TYPE_CHECKING:
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
    """Rows of a published table, in the order of its key.

    `tokens` are ids or symbols. `start` and `end` are inclusive, days or times, UTC. With `as_of`, each row as it was
    known then. `home` is TOLLBOOK_HOME. `symbol`, `token_id`, `startDate` and `endDate` are the SDK's names for the
    same. Raises KeyError for an unknown table, FileNotFoundError before the first run, ValueError or TypeError for what
    can't be asked, naming what can.
    """
    import duckdb

    own = catalogue.table(name)
    if format not in ("pandas", "arrow"):
        raise ValueError(f"format={format!r}: there are 'pandas' and 'arrow'")
    path = Path(home or os.environ.get("TOLLBOOK_HOME", ".")) / "published" / "warehouse.duckdb"
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there: run `tollbook run {name}` first, or pass home=")
    source, values = (quoted(name), []) if as_of is None else (f"{name}_as_of(?)", [_moment("as_of", as_of)])
    where, more = _conditions(
        own,
        _one_of(tokens=tokens, symbol=symbol, token_id=token_id),
        _one_of(start=start, startDate=startDate),
        _one_of(end=end, endDate=endDate),
    )
    key = ", ".join(quoted(column) for column in own.natural_key)
    with duckdb.connect(str(path), read_only=True) as con:
        con.execute("SET TimeZone = 'UTC'")
        sql = f"SELECT * FROM {source} WHERE {where} ORDER BY {key}"
        found = con.sql(sql, params=[*values, *more]).to_arrow_table()
        return found.to_pandas(date_as_object=False) if format == "pandas" else found


def _one_of(**names: Any) -> tuple[str, Any]:
    """The one that was given of several names for the same, and its name."""
    given = {name: value for name, value in names.items() if value is not None}
    if len(given) > 1:
        raise TypeError(f"{' and '.join(given)} are names for the same: give one of them")
    return next(iter(given.items()), (next(iter(names)), None))


def _conditions(
    own: Table, tokens: tuple[str, Any], start: tuple[str, Any], end: tuple[str, Any]
) -> tuple[str, list[object]]:
    parts, values = ["true"], []
    if tokens[1] is not None:
        condition, chosen = _of_tokens(own, *tokens)
        parts.append(condition)
        values += chosen
    column = quoted(catalogue.time_column(own))
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


def _of_tokens(own: Table, name: str, tokens: Tokens) -> tuple[str, list[object]]:
    """The condition that chooses them. Where rows have no id (moonshots) only symbols can be chosen by."""
    columns = {column.name for column in own.columns}
    ids, symbols = _told_apart(name, tokens)
    if ids and "token_id" not in columns:
        fix = f"give symbols, such as {name}=['BTC']" if "token_symbol" in columns else f"leave {name} out"
        raise ValueError(f"{own.name} has no token ids: {fix}")
    if symbols and "token_symbol" not in columns:
        fix = f"give ids, such as {name}=[3375]" if "token_id" in columns else f"leave {name} out"
        raise ValueError(f"{own.name} has no token symbols: {fix}")
    parts: list[str] = []
    values: list[object] = []
    if ids:
        parts.append("token_id IN (SELECT unnest(?::BIGINT[]))")
        values.append(ids)
    if symbols:
        parts.append("token_symbol IN (SELECT unnest(?::VARCHAR[]))")
        values.append(symbols)
    return f"({' OR '.join(parts) or 'false'})", values


def _told_apart(name: str, tokens: Tokens) -> tuple[list[int], list[str]]:
    """Ids and symbols. Text may be a comma list, as the seller's own parameters are; text of digits is an id."""
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


def query(home: Path | str, sql: str, values: Sequence[object] = ()) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Column names and rows of one query over the published file, as any analyst would see it.

    Raises FileNotFoundError before the first publication.
    """
    import duckdb

    path = Path(home) / "published" / "warehouse.duckdb"
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there: nothing was published yet")
    with duckdb.connect(str(path), read_only=True) as con:
        con.execute("SET TimeZone = 'UTC'")
        result = con.execute(sql, list(values))
        return [column[0] for column in result.description or []], result.fetchall()


def trouble() -> tuple[type[Exception], ...]:
    """What keeps the tables from being brought up to date: the disk, a program that holds a file, a damaged one."""
    import duckdb

    from warehouse.cache.integrity import CacheDamaged
    from warehouse.cache.store import CacheBusy

    return (OSError, duckdb.Error, CacheBusy, CacheDamaged)
