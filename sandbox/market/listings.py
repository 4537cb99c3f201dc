"""The selection of a request: its parameters, and the cells and rows that they name, newest first."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

from sandbox.market import market_wide, research, tokens
from sandbox.market.market_wide import IndexMember
from sandbox.market.token_rows import Row
from sandbox.market.tokens import DAY, EPOCH_DAY, HISTORY_START, HOUR, Catalogue, MarketToken, day_of

MAX_LIMIT, DEFAULT_LIMIT, MAX_DAYS_APART = 100, 50, 30
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


class Unprocessable(Exception):
    """Raised for parameters that the seller answers with 422 (or 404, 400)."""

    def __init__(self, message: str, status: int = 422) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Query:
    """Parameters by name, each given once; unknown names are ignored, as web services do."""

    values: Mapping[str, str]

    @classmethod
    def of(cls, pairs: Sequence[tuple[str, str]]) -> Query:
        values = dict(pairs)
        if len(values) != len(pairs):
            raise Unprocessable("Invalid parameter: given twice")
        return cls(values)

    def text(self, name: str) -> str | None:
        return self.values.get(name) or None

    def required(self, name: str) -> str:
        value = self.text(name)
        if value is None:
            raise Unprocessable(f"Invalid parameter: {name} is required")
        return value

    def words(self, name: str) -> list[str]:
        """A comma list; empty when absent."""
        return [word.strip() for word in (self.text(name) or "").split(",") if word.strip()]

    def integers(self, name: str) -> list[int]:
        try:
            return [int(word) for word in self.words(name)]
        except ValueError:
            raise Unprocessable(f"Invalid parameter: {name} must be whole numbers separated by commas") from None

    def number(self, name: str) -> float | None:
        value = self.text(name)
        try:
            return None if value is None else float(value)
        except ValueError:
            raise Unprocessable(f"Invalid parameter: {name} must be a number") from None

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        value = self.text(name)
        if value is None:
            return default
        if not value.isascii() or not value.isdigit() or not low <= int(value) <= high:
            raise Unprocessable(f"Invalid parameter: {name} must be a whole number from {low} to {high}")
        return int(value)

    @property
    def limit(self) -> int:
        return self.integer("limit", DEFAULT_LIMIT, 1, MAX_LIMIT)

    @property
    def page(self) -> int:
        return self.integer("page", 1, 1, 10**9)

    def days(self, today: int, earliest: int) -> range:
        """The requested days, both ends inclusive and at most MAX_DAYS_APART apart; without dates the last ones."""
        start, end = self._day("startDate"), self._day("endDate")
        last = today if end is None else end
        first = max(last - MAX_DAYS_APART, earliest) if start is None else start
        if first > last:
            raise Unprocessable("Invalid parameter: startDate is after endDate")
        if last - first > MAX_DAYS_APART:
            raise Unprocessable(f"Invalid parameter: dates may be at most {MAX_DAYS_APART} days apart")
        return range(max(first, earliest), min(last, today) + 1)

    def _day(self, name: str) -> int | None:
        value = self.text(name)
        if value is None:
            return None
        try:
            if not _DATE.fullmatch(value):
                raise ValueError
            return date.fromisoformat(value).toordinal() - EPOCH_DAY
        except ValueError:
            raise Unprocessable(f"Invalid parameter: {name} must be a date such as 2025-01-31") from None


RECENT_HOURS = 24 * 30
RowOf = Callable[[Any, int, float], Row]


class Key(Protocol):
    """The subject of a row, such as a token or an index. `listed` is its first day."""

    @property
    def key_id(self) -> int: ...
    @property
    def listed(self) -> int: ...


Cell = tuple[Any, int]
Choose = Callable[[Query, float], Sequence[Any]]


class EndpointRows(Protocol):
    def cells(self, query: Query, now: float) -> Iterator[Cell]:
        """(key, slot) of every row that the query selects, in the seller's order."""
        ...

    def row(self, cell: Cell, now: float) -> Row: ...


class LatestRows:
    """One row per key with the current figures."""

    def __init__(self, choose: Choose, row: RowOf) -> None:
        self._choose, self._row = choose, row

    def cells(self, query: Query, now: float) -> Iterator[Cell]:
        today = day_of(now)
        return ((key, today) for key in self._choose(query, now) if key.listed <= today)

    def row(self, cell: Cell, now: float) -> Row:
        return self._row(*cell, tokens.floored(now))


class DatedRows:
    """One row per key and slot of `grain` seconds, for the requested days."""

    def __init__(self, choose: Choose, row: RowOf, grain: int = DAY) -> None:
        self._choose, self._row, self._grain = choose, row, grain

    def cells(self, query: Query, now: float) -> Iterator[Cell]:
        return self._over(self._slots(query, now), self._choose(query, now))

    def _slots(self, query: Query, now: float) -> range:
        days, per_day = query.days(day_of(now), HISTORY_START), DAY // self._grain
        return range(min(days.stop * per_day - 1, int(now // self._grain)), days.start * per_day - 1, -1)

    def _over(self, slots: Iterable[int], keys: Sequence[Key]) -> Iterator[Cell]:
        per_day = DAY // self._grain
        newest = max((key.listed for key in keys), default=0)
        for slot in slots:
            day = slot // per_day
            for key in keys:
                if day >= newest or key.listed <= day:
                    yield key, slot

    def row(self, cell: Cell, now: float) -> Row:
        return self._row(*cell, tokens.moment(cell[1], self._grain, now))


class RecentRows(DatedRows):
    """The last thirty days by the hour; requests carry no dates."""

    def __init__(self, choose: Choose, row: RowOf) -> None:
        super().__init__(choose, row, HOUR)

    def _slots(self, query: Query, now: float) -> range:
        this_hour = int(now // HOUR)
        return range(this_hour, this_hour - RECENT_HOURS, -1)


class MoonshotRows:
    """The moonshot list, open or closed."""

    def __init__(self, seed: int, tokens: Sequence[MarketToken]) -> None:
        self._picks = research.PickHistory(seed, tokens)

    def cells(self, query: Query, now: float) -> Iterator[Cell]:
        kind = query.text("type") or "active"
        if kind not in ("active", "past"):
            raise Unprocessable("Invalid parameter: type must be active or past")
        picks = self._picks.active(now) if kind == "active" else self._picks.past(now)
        return ((pick, pick.opened // 60) for pick in picks)

    def row(self, cell: Cell, now: float) -> Row:
        return research.pick_row(cell[0], now)


_WORDS: dict[str, Callable[[MarketToken], Iterable[str]]] = {
    "symbol": lambda token: (token.symbol,),
    "token_name": lambda token: (token.name,),
    "category": lambda token: (name for _, name in token.categories),
    "exchange": lambda token: (word for entry in token.exchanges for word in entry),
    "blockchain_address": lambda _: (),
}
_AMOUNTS: dict[str, Callable[[MarketToken, float], float]] = {
    "marketcap": tokens.market_cap,
    "volume": tokens.volume,
    "fdv": lambda token, time: tokens.price(token, time) * (token.max_supply or token.supply),
}


def tokens_of(catalogue: Catalogue) -> Choose:
    """The tokens that pass a query's filters, by rank."""

    def choose(query: Query, now: float) -> Sequence[MarketToken]:
        chosen: Sequence[MarketToken] = catalogue.tokens
        if ids := query.integers("token_id"):
            by_id = catalogue.by_id
            chosen = sorted({by_id[one] for one in ids if one in by_id}, key=lambda token: token.rank)
        for name, of in _WORDS.items():
            if words := {word.lower() for word in query.words(name)}:
                chosen = [token for token in chosen if words & {one.lower() for one in of(token)}]
        for name, value in _AMOUNTS.items():
            least = query.number(name)
            if least is not None:
                chosen = [token for token in chosen if value(token, now // DAY * DAY) >= least]
        return chosen[: query.integer("top_k", 100, 1, 100)] if "top_k" in query.values else chosen

    return choose


def indices_of(indices: Sequence[market_wide.Subject]) -> Choose:
    def choose(query: Query, _now: float) -> Sequence[market_wide.Subject]:
        kind = query.text("indicesType")
        if kind not in (None, "active", "passive"):
            raise Unprocessable("Invalid parameter: indicesType must be active or passive")
        wanted = query.integers("id")
        return [
            index
            for index in indices
            if (not wanted or index.key_id in wanted) and (kind is None or index.active == (kind == "active"))
        ]

    return choose


def all_of(subjects: Sequence[market_wide.Subject]) -> Choose:
    return lambda _query, _now: subjects


def members_of(chosen: Choose) -> Choose:
    """The members of the chosen indices, each index's largest first."""
    return lambda query, now: [IndexMember(index, token) for index in chosen(query, now) for token in index.members]
