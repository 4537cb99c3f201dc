"""Turn what is asked of a table (tokens, a range of time, filters) into SQL conditions."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias

from tollbook.reading.file import PublishedTable, literal, quoted, refuse

if TYPE_CHECKING:
    import duckdb
    import numpy as np
    import pyarrow as pa

When: TypeAlias = "str | date | datetime | np.datetime64"
"""A day or time, also as a timestamp of pandas or NumPy."""
Words = int | str | Iterable[int | str]
"""A number, a word, a comma list, or any iterable of them (ids, symbols); numbers of NumPy and pandas, too."""

_LAST_INSTANT = timedelta(days=1) - timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Chosen:
    """The tokens that were asked for, as ids and as words (symbols or names)."""

    ids: tuple[int, ...] = ()
    words: tuple[str, ...] = ()

    def condition(self) -> str:
        ids = [f"token_id IN ({', '.join(map(str, self.ids))})"] if self.ids else []
        words = [f"token_symbol IN ({', '.join(map(literal, self.words))})"] if self.words else []
        return f"({' OR '.join([*ids, *words]) or 'false'})"

    def missing(self, rows: pa.Table) -> bool:
        """True when a token that was asked for has no row."""
        found = {name: set(rows.column(name).to_pylist()) for name in TOKEN if name in rows.column_names}
        return bool({*self.ids} - found.get("token_id", set()) or {*self.words} - found.get("token_symbol", set()))


TOKEN = ("token_id", "token_symbol")
"""Columns that tell tokens apart."""


def tokens_of(table: PublishedTable, name: str, tokens: Words) -> Chosen:
    """Split tokens into ids and words. A table without token ids (moonshots) is selected from by symbol only."""
    ids, words = _split(name, tokens, "is neither an id nor a symbol: write 3375 or 'BTC'")
    if ids and "token_id" not in table.columns:
        fix = f"give symbols, such as {name}=['BTC']" if "token_symbol" in table.columns else f"leave {name} out"
        raise ValueError(f"{table.name} has no token ids: {fix}")
    if words and "token_symbol" not in table.columns:
        fix = f"give ids, such as {name}=[3375]" if "token_id" in table.columns else f"leave {name} out"
        raise ValueError(f"{table.name} has no token symbols: {fix}")
    return Chosen(tuple(ids), tuple(words))


def resolve(con: duckdb.DuckDBPyConnection, table: PublishedTable, name: str, chosen: Chosen) -> Chosen:
    """Replace words by the symbols that the table has for them, in any case or as a token's name.

    Tokens are those of the table, of the seller's catalogue and of every other table. Raises NotPublished for one that
    none of them has, with similar ones.
    """
    known = _known_tokens(con, (table.name, "tokens"))
    symbols, unknown = _symbols(known, chosen)
    if unknown:
        names = [row[0] for row in con.execute("SELECT table_name FROM published_tables").fetchall()]
        known += _known_tokens(con, names)
        symbols, unknown = _symbols(known, chosen)
    for word in unknown:
        if isinstance(word, int):
            ids = [str(token_id) for token_id, _, _ in known if token_id is not None]
            refuse(f"{name}: no token has the id {word}", str(word), ids, otherwise=_CATALOGUE)
        called = [each for _, *words in known for each in words if each]
        refuse(f"{name}: no token is called {word!r}", word, called, otherwise=_CATALOGUE)
    return Chosen(chosen.ids, symbols)


_CATALOGUE = "the `tokens` table lists them all. Some are"
_KnownToken = tuple[int | None, str | None, str | None]
"""Id, symbol and name."""


def _symbols(known: Iterable[_KnownToken], chosen: Chosen) -> tuple[tuple[str, ...], list[int | str]]:
    """The symbols that the words mean, and the ids and words that no token has."""
    ids, by_word = set(), dict[str, set[str]]()
    for token_id, symbol, full in known:
        ids.add(token_id)
        for word in (symbol, full):
            if word and symbol:
                by_word.setdefault(word.lower(), set()).add(symbol)
    unknown: list[int | str] = [each for each in chosen.ids if each not in ids]
    symbols: list[str] = []
    for word in chosen.words:
        matches = by_word.get(word.lower(), set())
        same = sorted(match for match in matches if match.lower() == word.lower())
        symbols += [word] if word in matches else same or sorted(matches)
        unknown += [] if matches else [word]
    return tuple(dict.fromkeys(symbols)), unknown


def _known_tokens(con: duckdb.DuckDBPyConnection, tables: Iterable[str]) -> list[_KnownToken]:
    parts = []
    for table in dict.fromkeys(tables):
        there = {row[0] for row in con.execute(f"DESCRIBE {quoted(table)}").fetchall()}
        names = ("token_id", "token_symbol", "token_name")
        columns = ", ".join(quoted(name) if name in there else f"NULL AS {name}" for name in names)
        if there & {*TOKEN}:
            parts.append(f"SELECT DISTINCT {columns} FROM {quoted(table)}")
    return con.execute(" UNION ".join(parts) + " ORDER BY ALL").fetchall()


def _split(name: str, given: Words, refused: str) -> tuple[list[int], list[str]]:
    """Split into numbers and words. Text may be a comma list, as in the seller's API; digits are a number."""
    if isinstance(given, str):
        given = [word.strip() for word in given.split(",") if word.strip()]
    numbers: list[int] = []
    words: list[str] = []
    for each in given if isinstance(given, Iterable) else [given]:
        if isinstance(each, str):
            words.append(each)
            continue
        if isinstance(each, bool) or not hasattr(each, "__index__"):
            raise TypeError(f"{name}: {each!r} {refused}")
        numbers.append(operator.index(each))
    numbers += [int(word) for word in words if word.removeprefix("-").isdecimal()]
    return numbers, [word for word in words if not word.removeprefix("-").isdecimal()]


def period(table: PublishedTable, start: tuple[str, Any], end: tuple[str, Any]) -> list[str]:
    """Return the conditions of an inclusive range: a day is the whole UTC day, a time is that instant.

    Where the table's rows are of days, the day of a time counts.
    """
    given = [named for named in (start, end) if named[1] is not None]
    if not given:
        return []
    if table.time_column is None:
        raise ValueError(f"the rows of {table.name} have no time of their own: leave {given[0][0]} out")
    column, daily = quoted(table.time_column), table.columns[table.time_column] == "DATE"
    sql, parts = "DATE '{:%Y-%m-%d}'".format if daily else _time_sql, []
    if start[1] is not None:
        parts.append(f"{column} >= {sql(span(*start)[0])}")
    if end[1] is not None:
        parts.append(f"{column} <= {sql(span(*end)[1])}")
    if len(given) == 2 and span(*start)[0] > span(*end)[1]:
        raise ValueError(f"{start[0]}={start[1]!r} is after {end[0]}={end[1]!r}: swap them")
    return parts


def as_of_sql(con: duckdb.DuckDBPyConnection, table: PublishedTable, when: When) -> str:
    """Return the table as it was known at the end of a day, or at a time, as SQL."""
    import duckdb

    known = f"{table.name}_as_of({_time_sql(span('as_of', when)[1])})"
    try:
        con.execute(f"DESCRIBE FROM {known}").fetchall()
    except duckdb.CatalogException:
        fix = "leave as_of out, or read a table that a seller fills"
        raise ValueError(f"{table.name} keeps no versions: {fix}") from None
    return known


def span(name: str, when: Any) -> tuple[datetime, datetime]:
    """Return the first and last instant of a day, or twice the same instant.

    A time at midnight without a zone, such as pandas and NumPy make of a day, is the day.
    """
    refused = f"{name}={when!r} is no day or time: "
    if hasattr(when, "dtype") and hasattr(when, "astype"):  # NumPy, which need not be installed
        if not str(when.dtype).startswith("datetime64"):
            raise TypeError(f"{refused}give text, a date or a datetime")
        when = when.astype("datetime64[us]").item()
    if isinstance(when, str):
        try:
            when = datetime.fromisoformat(when) if len(when) > len("2026-11-22") else date.fromisoformat(when)
        except ValueError:
            raise ValueError(f"{refused}write '2026-01-31' or '2026-01-31T14:00Z'") from None
        if isinstance(when, datetime):
            when = when if when.tzinfo else when.replace(tzinfo=UTC)
    if not isinstance(when, date):
        raise TypeError(f"{refused}give text, a date or a datetime")
    if when != when:
        raise ValueError(f"{refused}it is missing (NaT)")
    if isinstance(when, datetime) and (when.tzinfo or when.time() != datetime.min.time()):
        instant = (when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone(UTC)
        return instant, instant
    first = datetime(when.year, when.month, when.day, tzinfo=UTC)
    return first, first + _LAST_INSTANT


def _time_sql(when: datetime) -> str:
    return f"TIMESTAMPTZ '{when:%Y-%m-%dT%H:%M:%S.%fZ}'"


MARKET_CAPS = ("market_cap", "market_cap_usd")
_SIGNALS = ("trading_signal", "signal", "tm_grade_signal", "signal_word")
"""Columns with a signal: numbers (1 long, 0 out, -1 short) or words, by the table."""
_SIGNAL_WORDS = ("Strong Buy", "Buy", "Hold", "Neutral", "Sell", "Strong Sell")


def of_signal(con: duckdb.DuckDBPyConnection, table: PublishedTable, signal: Words) -> str:
    """Return the condition that a row's signal is one of these: numbers or words, as the table has them."""
    numbers, words = _split("signal", signal, "is no signal: write 1, 0, -1, or a word such as 'Buy'")
    parts = []
    for given, is_number in ((numbers, True), (words, False)):
        if not given:
            continue
        fitting = [name for name in _SIGNALS if name in table.columns]
        fitting = [name for name in fitting if (table.columns[name] == "BIGINT") is is_number]
        filled = [name for name in fitting if _has_values(con, table, name)]
        if not filled:
            _no_signal(con, table, given, fitting)
        parts.append(_signal_in(con, table, filled[0], given))
    return f"({' OR '.join(parts) or 'false'})"


def _signal_in(con: duckdb.DuckDBPyConnection, table: PublishedTable, name: str, given: Sequence[int | str]) -> str:
    present = [
        value for (value,) in con.execute(f"SELECT DISTINCT {quoted(name)} FROM {quoted(table.name)}").fetchall()
    ]
    usual: tuple[int | str, ...] = _SIGNAL_WORDS if isinstance(given[0], str) else (1, 0, -1)
    known = {str(value).lower(): value for value in (*usual, *present) if value is not None}
    for each in given:
        if str(each).lower() not in known:
            refuse(
                f"{table.name}.{name} knows no signal {each!r}",
                str(each),
                [*map(str, known.values())],
                otherwise="there are",
            )
    values = [known[str(each).lower()] for each in given]
    return f"{quoted(name)} IN ({', '.join(literal(v) if isinstance(v, str) else str(v) for v in values)})"


def _no_signal(
    con: duckdb.DuckDBPyConnection, table: PublishedTable, given: Sequence[int | str], empty: Sequence[str]
) -> None:
    others = [
        name for name in _SIGNALS if name in table.columns and name not in empty and _has_values(con, table, name)
    ]
    why = f"{table.name}.{empty[0]} has no value in this file" if empty else f"{table.name} has no such signal"
    fix = f"ask for the values of {' or '.join(others)}" if others else "leave signal out"
    raise ValueError(f"signal={given[0]!r}: {why}; {fix}")


def _has_values(con: duckdb.DuckDBPyConnection, table: PublishedTable, name: str) -> bool:
    query = f"SELECT 1 FROM {quoted(table.name)} WHERE {quoted(name)} IS NOT NULL LIMIT 1"
    return bool(con.execute(query).fetchall())


def of_category(con: duckdb.DuckDBPyConnection, table: PublishedTable, category: str | Iterable[str]) -> str:
    """Return the condition that a token is in one of these categories, by id, name or slug, in any case."""
    if "category_list" not in table.columns:
        fix = "take the tokens from one that has: tokens=read('tokens', category=…)['token_id']"
        raise ValueError(f"{table.name} has no categories: {fix}")
    given = category.split(",") if isinstance(category, str) else [*category]
    wanted = [str(each).strip().lower() for each in given if str(each).strip()]
    query = (
        f"SELECT DISTINCT {_CATEGORY} FROM {quoted(table.name)} t, json_each(t.category_list) c "
        "WHERE json_type(t.category_list) = 'ARRAY'"
    )
    names = {str(value) for (values,) in con.execute(query).fetchall() for value in values if value is not None}
    for each in wanted:
        if each not in {name.lower() for name in names}:
            refuse(f"no token is in the category {each!r}", each, sorted(names), otherwise="there are")
    listed = ", ".join(map(literal, wanted))
    own = f"list_transform(json_extract(category_list, '$[*]'), lambda c: {_CATEGORY.replace('c.value', 'c')})"
    return f"list_has_any(list_transform(flatten({own}), lambda name: lower(name)), [{listed}])"


_CATEGORY = (
    "[c.value ->> '$.category_name', c.value ->> '$.category_slug', c.value ->> '$.category_id', "
    "c.value ->> '$.name', c.value ->> '$.slug', c.value ->> '$.id', c.value ->> '$']"
)
"""The names of a category: an object's, or the element itself where it is text or a number."""


def of_market_cap(table: PublishedTable, name: str, least: Any) -> str:
    """Return the condition that the market capitalisation is at least this many USD."""
    columns = [column for column in MARKET_CAPS if column in table.columns]
    if not columns:
        fix = (
            "leave it out, or take the tokens from a table that has it: tokens=read('tokens', market_cap=…)['token_id']"
        )
        raise ValueError(f"{table.name} has no market capitalisation: {fix}")
    try:
        number = Decimal(str(least).replace("_", ""))
    except ArithmeticError:
        number = Decimal("NaN")
    if isinstance(least, bool) or not number.is_finite():
        raise TypeError(f"{name}={least!r} is no amount in USD: write 1_000_000")
    return f"{quoted(columns[0])} >= {number:f}::DOUBLE"
