"""The seller's data: a request's parameters in, a page of rows out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from tollbook.sandbox.clock import WorldClock
from tollbook.sandbox.market import figures, moonshots, rows
from tollbook.sandbox.market.catalogue import HISTORY_START, Catalogue, Token, day_of
from tollbook.sandbox.market.changes import Changes
from tollbook.sandbox.market.endpoints import ENDPOINTS, Endpoint, Shape
from tollbook.sandbox.market.noise import DAY, HOUR
from tollbook.sandbox.market.query import Query, Unprocessable

Cell = tuple[Token, int]
Keyed = tuple[int, int, dict[str, Any]]
RECENT_HOURS = 24 * 30


class Market:
    """Answers like api.tokenmetrics.com/v2: newest first, `limit` rows a page, no total."""

    def __init__(self, clock: WorldClock, seed: int = 7, tokens: int = 64, born_day: int | None = None) -> None:
        self._clock = clock
        self.catalogue = Catalogue(seed, tokens, day_of(clock.time()) if born_day is None else born_day)
        self.changes = Changes()
        self._picks = moonshots.Picks(seed, self.catalogue.tokens)

    def answer(self, name: str, params: Sequence[tuple[str, str]]) -> dict[str, Any]:
        """The envelope with one page of rows; raises Unprocessable for bad parameters."""
        query = Query.of(params)
        page = self.page(ENDPOINTS[name], query)
        return {"success": True, "message": "Data fetched successfully", "length": len(page), "data": page}

    def page(self, endpoint: Endpoint, query: Query) -> list[dict[str, Any]]:
        for name in endpoint.needs:
            query.required(name)
        now = self._clock.time()
        window = slice((query.page - 1) * query.limit, query.page * query.limit)
        found = self._found(endpoint, query, now, window)
        page = self.changes.applied(endpoint.name, found)
        self.changes.served(endpoint.name)
        return page

    def _found(self, endpoint: Endpoint, query: Query, now: float, window: slice) -> list[Keyed]:
        """(token id, slot, row) of one page. Rows are made for the page only, unless a filter looks at values."""
        if endpoint.shape is Shape.PICKS:
            return list(islice(self._picked(query, now), window.start, window.stop))
        make = self._maker(endpoint, now)
        tests = _value_tests(endpoint, query)
        cells = self._cells(endpoint, query, now)
        if not tests:
            return [make(cell) for cell in islice(cells, window.start, window.stop)]
        passing = (keyed for keyed in map(make, cells) if all(test(keyed[2]) for test in tests))
        return list(islice(passing, window.start, window.stop))

    def _maker(self, endpoint: Endpoint, now: float) -> Callable[[Cell], Keyed]:
        row, moment = endpoint.row, now // figures.MOVES_EVERY * figures.MOVES_EVERY
        if endpoint.name == "tm-grade" and self.changes.is_older(endpoint.name):
            row = rows.tm_grade_older
        match endpoint.shape:
            case Shape.NOW:
                return lambda cell: (cell[0].token_id, cell[1], row(cell[0], moment))
            case Shape.DAILY:
                return lambda cell: (cell[0].token_id, cell[1], row(*cell, figures.moment(cell[1], now)))
            case _:
                return lambda cell: (cell[0].token_id, cell[1], row(*cell, min((cell[1] + 1) * HOUR, moment)))

    # -- which rows -------------------------------------------------------------------------------

    def _cells(self, endpoint: Endpoint, query: Query, now: float) -> Iterator[Cell]:
        chosen = self._chosen(query, now)
        hidden = self.changes.hides(endpoint.name)
        for slots, per_day in self._slots(endpoint, query, now):
            for slot in slots:
                for token in chosen:
                    if token.listed <= slot // per_day and not (hidden and hidden(token.token_id, slot)):
                        yield token, slot

    def _slots(self, endpoint: Endpoint, query: Query, now: float) -> Iterator[tuple[Iterable[int], int]]:
        """Slots newest first, with how many make a day."""
        today, this_hour = day_of(now), int(now // HOUR)
        match endpoint.shape:
            case Shape.NOW:
                yield (today,), 1
            case Shape.DAILY:
                yield reversed(query.days(today, HISTORY_START)), 1
            case Shape.HOURLY:
                days = query.days(today, HISTORY_START)
                yield range(min(days.stop * 24 - 1, this_hour), days.start * 24 - 1, -1), 24
            case _:
                yield range(this_hour, this_hour - RECENT_HOURS, -1), 24

    def _chosen(self, query: Query, now: float) -> Sequence[Token]:
        """Tokens that the filters leave, by rank."""
        tokens: Sequence[Token] = self.catalogue.tokens
        if ids := query.integers("token_id"):
            known = self.catalogue.by_id
            tokens = sorted({known[one] for one in ids if one in known}, key=lambda token: token.rank)
        for name, of in _WORDS.items():
            if words := {word.lower() for word in query.words(name)}:
                tokens = [token for token in tokens if words & {one.lower() for one in of(token)}]
        for name, value in _AMOUNTS.items():
            least = query.number(name)
            if least is not None:
                tokens = [token for token in tokens if value(token, now // DAY * DAY) >= least]
        return tokens[: query.integer("top_k", 100, 1, 100)] if "top_k" in query.values else tokens

    def _picked(self, query: Query, now: float) -> Iterator[Keyed]:
        kind = query.text("type") or "active"
        if kind not in ("active", "past"):
            raise Unprocessable("Invalid parameter: type must be active or past")
        hidden = self.changes.hides("moonshot-tokens")
        for pick in self._picks.active(now) if kind == "active" else self._picks.past(now):
            slot = pick.opened // 60
            if not (hidden and hidden(pick.token.token_id, slot)):
                yield pick.token.token_id, slot, moonshots.row(pick, now)


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


def _value_tests(endpoint: Endpoint, query: Query) -> list[Callable[[dict[str, Any]], bool]]:
    tests: list[Callable[[dict[str, Any]], bool]] = []
    for name, column in endpoint.least.items():
        least = query.number(name)
        if least is not None:
            tests.append(lambda row, column=column, least=least: float(row[column]) >= least)  # type: ignore[misc]
    for name, column in endpoint.equal.items():
        wanted = query.number(name)
        if wanted is not None:
            tests.append(lambda row, column=column, wanted=wanted: float(row[column]) == wanted)  # type: ignore[misc]
    return tests
