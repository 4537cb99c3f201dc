"""The seller's data: the endpoints on sale, changes made to their rows by tests, and pages of rows as answers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from operator import eq, ge
from typing import Any

from sandbox.clock import WorldClock
from sandbox.market import listings, market_wide, research, token_rows
from sandbox.market.listings import Cell, DatedRows, EndpointRows, LatestRows, Query, RecentRows
from sandbox.market.token_rows import Row
from sandbox.market.tokens import HOUR, Catalogue, day_of, floored


@dataclass(slots=True)
class ColumnChanges:
    """Changes to every row of an endpoint: columns to add, drop, rename, or give another value ("retype")."""

    add: Mapping[str, Any] = field(default_factory=dict)
    drop: Iterable[str] = ()
    rename: Mapping[str, str] = field(default_factory=dict)
    retype: Mapping[str, Any] = field(default_factory=dict)
    older: bool = False

    def apply(self, row: Row) -> Row:
        gone = set(self.drop)
        kept = {self.rename.get(name, name): value for name, value in row.items() if name not in gone}
        return {**kept, **{name: self.retype[name] for name in self.retype if name in kept}, **self.add}


class Changes:
    """The changes switched on, by endpoint name such as "tm-grade"."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        self._drift: dict[str, ColumnChanges] = {}
        self._restated: dict[tuple[str, int, int], Row] = {}
        self._held: dict[tuple[str, int, int], int] = {}

    def drift(self, endpoint: str, **what: Any) -> None:
        """Change the endpoint's columns from now on; `older=True` serves the older generation of tm-grade rows."""
        self._drift[endpoint] = ColumnChanges(**what)

    def restate(self, endpoint: str, token_id: int, day: int, columns: Mapping[str, Any]) -> None:
        """Give one row of history other values, as a restatement does."""
        self._restated[(endpoint, token_id, day)] = dict(columns)

    def hold_back(self, endpoint: str, token_id: int, slot: int, pages: int = 1) -> None:
        """Leave one row out until the endpoint has served so many more pages: it then appears between two pages.

        For moonshots `slot` is the minute of MOONSHOT_AT and `token_id` the picked token's."""
        self._held[(endpoint, token_id, slot)] = pages

    def is_older(self, endpoint: str) -> bool:
        return endpoint in self._drift and self._drift[endpoint].older

    def hides(self, endpoint: str) -> Callable[[int, int], bool] | None:
        """A predicate for rows that are held back now; None where the endpoint has none."""
        held = {(token, slot) for (name, token, slot), pages in self._held.items() if name == endpoint and pages > 0}
        return (lambda token, slot: (token, slot) in held) if held else None

    def served(self, endpoint: str) -> None:
        with self._lock:
            for key in [key for key in self._held if key[0] == endpoint]:
                self._held[key] -= 1
                if self._held[key] <= 0:
                    del self._held[key]

    def applied(self, endpoint: str, rows: list[tuple[int, int, Row]]) -> list[Row]:
        """Apply the changes to rows, each given with its token id and slot."""
        drift = self._drift.get(endpoint)
        if drift is None and not self._restated:
            return [row for _, _, row in rows]
        changed = [row | self._restated.get((endpoint, token, slot), {}) for token, slot, row in rows]
        return changed if drift is None else [drift.apply(row) for row in changed]


# Tiers seen in a public client, undated: the cheapest for what is dated per token, the dearest for research.
_SERIES, _LISTS, _RESEARCH = 17_000, 34_000, 68_000


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint on sale.

    `price` is in atomic units of the six-decimals token; 0 is free. `needs` are required parameters; `least` maps a
    parameter to the column whose minimum it sets, `equal` to the column that must equal it.
    """

    name: str
    listing: EndpointRows
    price: int
    needs: tuple[str, ...] = ()
    least: Mapping[str, str] = field(default_factory=dict)
    equal: Mapping[str, str] = field(default_factory=dict)


def endpoints(seed: int, catalogue: Catalogue) -> dict[str, Endpoint]:
    tokens = listings.tokens_of(catalogue)
    market, investors = listings.all_of(market_wide.market(seed)), listings.all_of(market_wide.investors(seed))
    indices = listings.indices_of(market_wide.indices(seed, catalogue.tokens))
    trader = {"traderGrade": "TM_TRADER_GRADE", "traderGradePercentChange": "TM_TRADER_GRADE_24H_PCT_CHANGE"}
    investor, signal = {"investorGrade": "TM_INVESTOR_GRADE"}, {"signal": "TRADING_SIGNAL"}
    on_sale = (
        Endpoint("tokens", LatestRows(tokens, token_rows.token_entry), 0),
        Endpoint("price", LatestRows(tokens, token_rows.latest_price), 0, needs=("token_id",)),
        Endpoint("top-market-cap-tokens", LatestRows(tokens, token_rows.token_entry), 0),
        Endpoint("tm-grade", LatestRows(tokens, token_rows.tm_grade), _SERIES),
        Endpoint("tm-grade-history", DatedRows(tokens, token_rows.tm_grade_history), _SERIES),
        Endpoint("fundamental-grade", LatestRows(tokens, token_rows.fundamental_grade), _SERIES),
        Endpoint("fundamental-grade-history", DatedRows(tokens, token_rows.fundamental_grade_history), _SERIES),
        Endpoint("technology-grade", LatestRows(tokens, token_rows.technology_grade), _SERIES),
        Endpoint("technology-grade-history", DatedRows(tokens, token_rows.technology_grade), _SERIES),
        Endpoint("trader-grades", DatedRows(tokens, token_rows.trader_grades), _SERIES, least=trader),
        Endpoint("investor-grades", DatedRows(tokens, token_rows.investor_grades), _SERIES, least=investor),
        Endpoint("trading-signals", DatedRows(tokens, token_rows.trading_signals), _SERIES, equal=signal),
        Endpoint(
            "hourly-trading-signals", RecentRows(tokens, token_rows.hourly_trading_signals), _LISTS, needs=("token_id",)
        ),
        Endpoint("moonshot-tokens", listings.MoonshotRows(seed, catalogue.tokens), _LISTS),
        Endpoint("hourly-ohlcv", DatedRows(tokens, token_rows.hourly_ohlcv, HOUR), _SERIES),
        Endpoint("daily-ohlcv", DatedRows(tokens, token_rows.daily_ohlcv), _SERIES),
        Endpoint("market-metrics", DatedRows(market, market_wide.market_metrics), _LISTS),
        Endpoint("sentiments", RecentRows(market, market_wide.sentiments), _SERIES),
        Endpoint("quantmetrics", LatestRows(tokens, research.quantmetrics), _RESEARCH),
        Endpoint("resistance-support", LatestRows(tokens, research.resistance_support), _LISTS),
        Endpoint("correlation", LatestRows(tokens, research.correlation), _RESEARCH),
        Endpoint("price-prediction", LatestRows(tokens, research.price_prediction), _RESEARCH),
        Endpoint("scenario-analysis", LatestRows(tokens, research.scenario_analysis), _RESEARCH),
        Endpoint("ai-reports", LatestRows(tokens, research.ai_reports), _RESEARCH),
        Endpoint("crypto-investors", LatestRows(investors, market_wide.crypto_investors), _RESEARCH),
        Endpoint("indices", LatestRows(indices, market_wide.indices_now), _LISTS),
        Endpoint(
            "indices-holdings", LatestRows(listings.members_of(indices), market_wide.holding), _LISTS, needs=("id",)
        ),
        Endpoint("indices-performance", DatedRows(indices, market_wide.indices_performance), _LISTS, needs=("id",)),
    )
    return {endpoint.name: endpoint for endpoint in on_sale}


class Market:
    """Answers as api.tokenmetrics.com does, in v2 or v3: newest first, `limit` rows a page, no total."""

    def __init__(self, clock: WorldClock, seed: int = 7, tokens: int = 64, born_day: int | None = None) -> None:
        self._clock = clock
        self.catalogue = Catalogue(seed, tokens, day_of(clock.time()) if born_day is None else born_day)
        self.changes = Changes()
        self.endpoints = endpoints(seed, self.catalogue)

    def answer(self, name: str, params: Sequence[tuple[str, str]], version: int = 2) -> dict[str, Any]:
        """The envelope with one page of rows; raises Unprocessable for bad parameters. `version` is that of the API."""
        page = self._page(self.endpoints[name], Query.of(params))
        if version == 3:
            page = [token_rows.as_v3(name, row, self.catalogue.by_id, self._clock.time()) for row in page]
        return {"success": True, "message": "Data fetched successfully", "length": len(page), "data": page}

    def _page(self, endpoint: Endpoint, query: Query) -> list[Row]:
        """One page of rows; only its rows are computed, unless a filter needs the values of all."""
        for name in endpoint.needs:
            query.required(name)
        now = self._clock.time()
        first, last = (query.page - 1) * query.limit, query.page * query.limit
        cells, make = self._cells(endpoint, query, now), self._maker(endpoint, now)
        tests = [
            (column, wanted, compare)
            for columns, compare in ((endpoint.least, ge), (endpoint.equal, eq))
            for name, column in columns.items()
            if (wanted := query.number(name)) is not None
        ]
        if tests:
            rows = ((cell, make(cell)) for cell in cells)
            passing = (each for each in rows if all(is_so(float(each[1][name]), value) for name, value, is_so in tests))
            page = list(islice(passing, first, last))
        else:
            page = [(cell, make(cell)) for cell in islice(cells, first, last)]
        self.changes.served(endpoint.name)
        return self.changes.applied(endpoint.name, [(cell[0].key_id, cell[1], row) for cell, row in page])

    def _cells(self, endpoint: Endpoint, query: Query, now: float) -> Iterator[Cell]:
        cells = endpoint.listing.cells(query, now)
        hides = self.changes.hides(endpoint.name)
        return cells if hides is None else (cell for cell in cells if not hides(cell[0].key_id, cell[1]))

    def _maker(self, endpoint: Endpoint, now: float) -> Callable[[Cell], Row]:
        if self.changes.is_older(endpoint.name):
            return lambda cell: token_rows.tm_grade_older(*cell, floored(now))
        return lambda cell: endpoint.listing.row(cell, now)
