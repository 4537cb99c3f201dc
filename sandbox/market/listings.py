"""Shapes of what is sold: which cells a query names, newest first, and how each becomes a row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

from sandbox.market import figures, moonshots, whole
from sandbox.market.catalogue import HISTORY_START, Catalogue, Token, day_of
from sandbox.market.noise import DAY, HOUR
from sandbox.market.query import Query, Unprocessable
from sandbox.market.rows import Row

RECENT_HOURS = 24 * 30
RowOf = Callable[[Any, int, float], Row]


class Key(Protocol):
    """What a row is about."""

    @property
    def key_id(self) -> int: ...
    @property
    def listed(self) -> int: ...


Cell = tuple[Any, int]
Choose = Callable[[Query, float], Sequence[Any]]


class Listing(Protocol):
    def cells(self, query: Query, now: float) -> Iterator[Cell]:
        """(key, slot) of every row the query names, in the seller's order."""
        ...

    def row(self, cell: Cell, now: float) -> Row: ...


class Now:
    """One row per key, as it is now."""

    def __init__(self, choose: Choose, row: RowOf) -> None:
        self._choose, self._row = choose, row

    def cells(self, query: Query, now: float) -> Iterator[Cell]:
        today = day_of(now)
        return ((key, today) for key in self._choose(query, now) if key.listed <= today)

    def row(self, cell: Cell, now: float) -> Row:
        return self._row(*cell, figures.floored(now))


class Dated:
    """One row per key and slot of `grain` seconds, for the days asked for."""

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
        return self._row(*cell, figures.moment(cell[1], self._grain, now))


class Recent(Dated):
    """The last thirty days by the hour; no dates can be asked for."""

    def __init__(self, choose: Choose, row: RowOf) -> None:
        super().__init__(choose, row, HOUR)

    def _slots(self, query: Query, now: float) -> range:
        this_hour = int(now // HOUR)
        return range(this_hour, this_hour - RECENT_HOURS, -1)


class Picks:
    """The moonshot list, open or closed."""

    def __init__(self, seed: int, tokens: Sequence[Token]) -> None:
        self._picks = moonshots.Picks(seed, tokens)

    def cells(self, query: Query, now: float) -> Iterator[Cell]:
        kind = query.text("type") or "active"
        if kind not in ("active", "past"):
            raise Unprocessable("Invalid parameter: type must be active or past")
        picks = self._picks.active(now) if kind == "active" else self._picks.past(now)
        return ((pick, pick.opened // 60) for pick in picks)

    def row(self, cell: Cell, now: float) -> Row:
        return moonshots.row(cell[0], now)


class Holdings:
    """What one index holds: a row per member, the largest first."""

    def __init__(self, choose: Choose) -> None:
        self._choose = choose

    def cells(self, query: Query, now: float) -> Iterator[Cell]:
        today = day_of(now)
        return ((_Held(index, token), today) for index in self._choose(query, now) for token in index.members)

    def row(self, cell: Cell, now: float) -> Row:
        return whole.holding(cell[0].index, cell[0].token, figures.floored(now))


class _Held:
    def __init__(self, index: whole.Subject, token: Token) -> None:
        self.index, self.token, self.key_id, self.listed = index, token, token.token_id, token.listed


# -- who is chosen --------------------------------------------------------------------------------------

_WORDS: dict[str, Callable[[Token], Iterable[str]]] = {
    "symbol": lambda token: (token.symbol,),
    "token_name": lambda token: (token.name,),
    "category": lambda token: (name for _, name in token.categories),
    "exchange": lambda token: (word for entry in token.exchanges for word in entry),
    "blockchain_address": lambda _: (),
}
_AMOUNTS: dict[str, Callable[[Token, float], float]] = {
    "marketcap": figures.market_cap,
    "volume": figures.volume,
    "fdv": lambda token, time: figures.price(token, time) * (token.max_supply or token.supply),
}


def tokens_of(catalogue: Catalogue) -> Choose:
    """Tokens that a query's filters leave, by rank."""

    def choose(query: Query, now: float) -> Sequence[Token]:
        tokens: Sequence[Token] = catalogue.tokens
        if ids := query.integers("token_id"):
            known = catalogue.by_id
            tokens = sorted({known[one] for one in ids if one in known}, key=lambda token: token.rank)
        for name, of in _WORDS.items():
            if words := {word.lower() for word in query.words(name)}:
                tokens = [token for token in tokens if words & {one.lower() for one in of(token)}]
        for name, value in _AMOUNTS.items():
            least = query.number(name)
            if least is not None:
                tokens = [token for token in tokens if value(token, now // DAY * DAY) >= least]
        return tokens[: query.integer("top_k", 100, 1, 100)] if "top_k" in query.values else tokens

    return choose


def indices_of(indices: Sequence[whole.Subject]) -> Choose:
    def choose(query: Query, _now: float) -> Sequence[whole.Subject]:
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


def all_of(subjects: Sequence[whole.Subject]) -> Choose:
    return lambda _query, _now: subjects
