"""Read a table or view of the published file as a frame, also with the parameter names of the seller's SDK."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from tollbook.reading import conditions
from tollbook.reading.conditions import TOKEN, Chosen, When, Words
from tollbook.reading.file import CATALOG, PublishedTable, attached, connect, find_table, published, quoted

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import polars as pl
    import pyarrow as pa

FORMATS = ("pandas", "polars", "arrow")


@overload
def read(
    name: str, *, tokens: Words | None = ..., start: When | None = ..., end: When | None = ...,
    as_of: When | None = ..., columns: str | Iterable[str] | None = ..., signal: Words | None = ...,
    category: str | Iterable[str] | None = ..., market_cap: float | None = ..., home: Path | str | None = ...,
    format: Literal["pandas"] = ..., symbol: Words | None = ..., token_id: Words | None = ...,
    startDate: When | None = ..., endDate: When | None = ..., marketcap: float | None = ...,
) -> pd.DataFrame: ...  # fmt: skip
@overload
def read(
    name: str, *, tokens: Words | None = ..., start: When | None = ..., end: When | None = ...,
    as_of: When | None = ..., columns: str | Iterable[str] | None = ..., signal: Words | None = ...,
    category: str | Iterable[str] | None = ..., market_cap: float | None = ..., home: Path | str | None = ...,
    format: Literal["polars"], symbol: Words | None = ..., token_id: Words | None = ...,
    startDate: When | None = ..., endDate: When | None = ..., marketcap: float | None = ...,
) -> pl.DataFrame: ...  # fmt: skip
@overload
def read(
    name: str, *, tokens: Words | None = ..., start: When | None = ..., end: When | None = ...,
    as_of: When | None = ..., columns: str | Iterable[str] | None = ..., signal: Words | None = ...,
    category: str | Iterable[str] | None = ..., market_cap: float | None = ..., home: Path | str | None = ...,
    format: Literal["arrow"], symbol: Words | None = ..., token_id: Words | None = ...,
    startDate: When | None = ..., endDate: When | None = ..., marketcap: float | None = ...,
) -> pa.Table: ...  # fmt: skip


def read(
    name: str,
    *,
    tokens: Words | None = None,
    start: When | None = None,
    end: When | None = None,
    as_of: When | None = None,
    columns: str | Iterable[str] | None = None,
    signal: Words | None = None,
    category: str | Iterable[str] | None = None,
    market_cap: float | None = None,
    home: Path | str | None = None,
    format: Literal["pandas", "polars", "arrow"] = "pandas",
    symbol: Words | None = None,
    token_id: Words | None = None,
    startDate: When | None = None,
    endDate: When | None = None,
    marketcap: float | None = None,
) -> Any:
    """Return the rows of a published table or view, in the order of its natural key.

    - `name`: as published (`grades`, `costs`, `quality_gaps`, …), or a seller's endpoint (`trading-signals`).
    - `tokens`: ids, symbols or names.
    - `start`, `end`: inclusive. A day, or a time at midnight without a zone, is the whole UTC day; any other time is
      that instant, in UTC unless it says otherwise.
    - `as_of`: each row as it was known then; a day means its end.
    - `columns`: their names, in the order wanted.
    - `signal`, `category`, `market_cap` (the least, in USD): as the seller's API filters, where the table has them.
    - `home`: TOLLBOOK_HOME, or the address that it is published at (`s3://bucket/prefix`).

    `symbol`, `token_id`, `startDate`, `endDate` and `marketcap` are the SDK's names for the same. Amounts are exact
    (Decimal, or integers), days are datetime64[us], times are in UTC. Raises NotPublished (a KeyError and ValueError)
    for a table, column, token or word that the file does not have, with similar ones; ValueError or TypeError for what
    can't be asked, naming what can; FileNotFoundError before the first run.
    """
    if format not in FORMATS:
        raise ValueError(f"format={format!r}: there are {', '.join(map(repr, FORMATS))}")
    asked = _one_of(tokens=tokens, symbol=symbol, token_id=token_id)
    least = _one_of(market_cap=market_cap, marketcap=marketcap)
    with attached(published(home, name)) as con:
        con.execute(f"USE {CATALOG}")
        table = find_table(con, name)
        wanted = _columns(table, columns)
        where = conditions.period(table, _one_of(start=start, startDate=startDate), _one_of(end=end, endDate=endDate))
        where += [conditions.of_signal(con, table, signal)] if signal is not None else []
        where += [conditions.of_category(con, table, category)] if category is not None else []
        where += [conditions.of_market_cap(table, *least)] if least[1] is not None else []
        source = quoted(table.name) if as_of is None else conditions.as_of_sql(con, table, as_of)
        rows = _of_tokens(con, table, asked, wanted, source, where)
        return _as(rows.select(wanted), format)


@overload
def sql(
    query: str, values: Sequence[object] | None = ..., *, home: Path | str | None = ...,
    format: Literal["pandas"] = ...,
) -> pd.DataFrame: ...  # fmt: skip
@overload
def sql(
    query: str, values: Sequence[object] | None = ..., *, home: Path | str | None = ..., format: Literal["polars"],
) -> pl.DataFrame: ...  # fmt: skip
@overload
def sql(
    query: str, values: Sequence[object] | None = ..., *, home: Path | str | None = ..., format: Literal["arrow"],
) -> pa.Table: ...  # fmt: skip


def sql(
    query: str,
    values: Sequence[object] | None = None,
    *,
    home: Path | str | None = None,
    format: Literal["pandas", "polars", "arrow"] = "pandas",
) -> Any:
    """Return the rows of one query over the newest publication, in the types that `read` has.

    `values` fill the query's parameters (`?`, `$1`). Times are in UTC. Raises DuckDB's errors for the query, and
    FileNotFoundError before the first run.
    """
    if format not in FORMATS:
        raise ValueError(f"format={format!r}: there are {', '.join(map(repr, FORMATS))}")
    with connect(home) as con:
        return _as(con.sql(query, params=values).to_arrow_table(), format)


def frame(relation: duckdb.DuckDBPyRelation) -> pd.DataFrame:
    """Return a query's rows for pandas as `read` does: `frame(connect().sql("…"))`.

    Amounts are exact, where `relation.df()` makes float64 of them: integers where they fit 64 bits and Decimal
    otherwise. Days are datetime64[us], times are aware.
    """
    return _pandas(relation.to_arrow_table())


def _one_of(**names: Any) -> tuple[str, Any]:
    """Return the name and value that was given, of several names for the same parameter."""
    given = {name: value for name, value in names.items() if value is not None}
    if len(given) > 1:
        raise TypeError(f"{' and '.join(given)} are names for the same: give one of them")
    return next(iter(given.items()), (next(iter(names)), None))


def _columns(table: PublishedTable, columns: str | Iterable[str] | None) -> list[str]:
    if columns is None:
        return [*table.columns]
    names = [name.strip() for name in columns.split(",")] if isinstance(columns, str) else [*columns]
    wanted = [table.column(name) for name in dict.fromkeys(names)]
    if not wanted:
        raise ValueError(f"columns={columns!r} names none: leave it out for all")
    return wanted


def _of_tokens(
    con: duckdb.DuckDBPyConnection,
    table: PublishedTable,
    asked: tuple[str, Any],
    wanted: list[str],
    source: str,
    where: list[str],
) -> pa.Table:
    """Select the rows. Tokens are looked up only where one has no row: it may be spelled otherwise, or not exist."""
    if asked[1] is None:
        return _select(con, table, wanted, source, where)
    chosen = conditions.tokens_of(table, *asked)
    shown = list(dict.fromkeys([*wanted, *(name for name in TOKEN if name in table.columns)]))
    rows = _select(con, table, shown, source, [*where, chosen.condition()])
    if chosen.missing(rows):
        found: Chosen = conditions.resolve(con, table, asked[0], chosen)
        if found != chosen:
            rows = _select(con, table, shown, source, [*where, found.condition()])
    return rows


def _select(
    con: duckdb.DuckDBPyConnection, table: PublishedTable, columns: list[str], source: str, where: list[str]
) -> pa.Table:
    order = f" ORDER BY {', '.join(map(quoted, table.natural_key))}" if table.natural_key else ""
    condition = f" WHERE {' AND '.join(where)}" if where else ""
    return con.sql(f"SELECT {', '.join(map(quoted, columns))} FROM {source}{condition}{order}").to_arrow_table()


def _as(rows: pa.Table, format: str) -> Any:
    if format == "arrow":
        return rows
    if format == "pandas":
        return _pandas(rows)
    try:
        import polars
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("format='polars' needs polars: `pip install polars`") from error
    return polars.from_arrow(rows)


def _pandas(rows: pa.Table) -> pd.DataFrame:
    """Convert for pandas without a loss: whole amounts to integers, days to datetime64[us], as DuckDB has them."""
    import pyarrow as pa

    types = pa.types
    for at, field in enumerate(rows.schema):
        column = rows.column(at)
        if types.is_date32(field.type):
            rows = rows.set_column(at, field.name, column.cast(pa.timestamp("us")))
        elif types.is_decimal(field.type) and field.type.scale == 0:
            rows = rows.set_column(at, field.name, _integers(column))
    found: pd.DataFrame = rows.to_pandas()
    return found


def _integers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Cast whole amounts to 64-bit integers; where one is larger, or missing, Decimals stay."""
    import pyarrow as pa

    try:
        return column if column.null_count else column.cast(pa.int64())
    except pa.ArrowInvalid:
        return column
