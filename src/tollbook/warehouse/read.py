"""Reading the published file from Python, with the parameter names that users of the seller's SDK know."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from tollbook.warehouse import catalogue, schema
from tollbook.warehouse.catalogue import quoted

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

When = str | date | datetime


@overload
def read(
    name: str, *, tokens: Sequence[int | str] | None = ..., start: When | None = ..., end: When | None = ...,
    as_of: When | None = ..., home: Path | str | None = ..., format: Literal["pandas"] = ...,
) -> pd.DataFrame: ...  # fmt: skip
@overload
def read(
    name: str, *, tokens: Sequence[int | str] | None = ..., start: When | None = ..., end: When | None = ...,
    as_of: When | None = ..., home: Path | str | None = ..., format: Literal["arrow"],
) -> pa.Table: ...  # fmt: skip


def read(
    name: str,
    *,
    tokens: Sequence[int | str] | None = None,
    start: When | None = None,
    end: When | None = None,
    as_of: When | None = None,
    home: Path | str | None = None,
    format: Literal["pandas", "arrow"] = "pandas",
) -> Any:
    """Rows of a published table, in the order of its key.

    `tokens` are ids or symbols. `start` and `end` are inclusive, days or times, UTC. With `as_of`, each row as it was
    known then. `home` is TOLLBOOK_HOME. Raises KeyError for an unknown table, FileNotFoundError before the first run.
    """
    import duckdb

    own = catalogue.table(name)
    path = Path(home or os.environ.get("TOLLBOOK_HOME", ".")) / "published" / "warehouse.duckdb"
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there: run `tollbook run {name}` first, or pass home=")
    source, values = (quoted(name), []) if as_of is None else (f"{name}_as_of(?)", [_moment(as_of)])
    where, more = _conditions(own, tokens, start, end)
    key = ", ".join(quoted(column) for column in own.natural_key)
    with duckdb.connect(str(path), read_only=True) as con:
        con.execute("SET TimeZone = 'UTC'")
        sql = f"SELECT * FROM {source} WHERE {where} ORDER BY {key}"
        found = con.sql(sql, params=[*values, *more]).to_arrow_table()
        return found.to_pandas(date_as_object=False) if format == "pandas" else found


def _conditions(
    own: schema.Table, tokens: Sequence[int | str] | None, start: When | None, end: When | None
) -> tuple[str, list[object]]:
    parts, values = ["true"], []
    if tokens is not None:
        ids, symbols = [t for t in tokens if isinstance(t, int)], [t for t in tokens if isinstance(t, str)]
        parts.append("(token_id IN (SELECT unnest(?::BIGINT[])) OR token_symbol IN (SELECT unnest(?::VARCHAR[])))")
        values += [ids, symbols]
    if start is not None:
        parts.append(f"{quoted(catalogue.time_column(own))} >= ?")
        values.append(_moment(start))
    if end is not None:
        last = _moment(end) if _has_time(end) else _moment(end) + timedelta(days=1)
        parts.append(f"{quoted(catalogue.time_column(own))} {'<=' if _has_time(end) else '<'} ?")
        values.append(last)
    return " AND ".join(parts), values


def _has_time(when: When) -> bool:
    return isinstance(when, datetime) or (isinstance(when, str) and len(when) > len("2026-11-22"))


def _moment(when: When) -> datetime:
    if isinstance(when, str):
        when = datetime.fromisoformat(when) if _has_time(when) else date.fromisoformat(when)
    if isinstance(when, datetime):
        return when if when.tzinfo else when.replace(tzinfo=UTC)
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

    from tollbook.warehouse.cache import CacheBusy, CacheDamaged

    return (OSError, duckdb.Error, CacheBusy, CacheDamaged)
