"""The seller's data: a request's parameters in, a page of rows out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

from sandbox.clock import WorldClock
from sandbox.market import rows, v3
from sandbox.market.catalogue import Catalogue, day_of
from sandbox.market.changes import Changes
from sandbox.market.endpoints import Endpoint, endpoints
from sandbox.market.figures import floored
from sandbox.market.listings import Cell
from sandbox.market.query import Query
from sandbox.market.rows import Row


class Market:
    """Answers like api.tokenmetrics.com, its v2 or its v3: newest first, `limit` rows a page, no total."""

    def __init__(self, clock: WorldClock, seed: int = 7, tokens: int = 64, born_day: int | None = None) -> None:
        self._clock = clock
        self.catalogue = Catalogue(seed, tokens, day_of(clock.time()) if born_day is None else born_day)
        self.changes = Changes()
        self.endpoints = endpoints(seed, self.catalogue)

    def answer(self, name: str, params: Sequence[tuple[str, str]], version: int = 2) -> dict[str, Any]:
        """The envelope with one page of rows; raises Unprocessable for bad parameters. `version` is that of the API."""
        page = self._page(self.endpoints[name], Query.of(params))
        if version == 3:
            page = [v3.row(name, row, self.catalogue.by_id, self._clock.time()) for row in page]
        return {"success": True, "message": "Data fetched successfully", "length": len(page), "data": page}

    def _page(self, endpoint: Endpoint, query: Query) -> list[Row]:
        """Rows are made for the asked page only, unless a filter has to look at values."""
        for name in endpoint.needs:
            query.required(name)
        now = self._clock.time()
        first, last = (query.page - 1) * query.limit, query.page * query.limit
        cells, make = self._cells(endpoint, query, now), self._maker(endpoint, now)
        tests = _value_tests(endpoint, query)
        if tests:
            passing = ((cell, row) for cell in cells if all(test(row := make(cell)) for test in tests))
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
            return lambda cell: rows.tm_grade_older(*cell, floored(now))
        return lambda cell: endpoint.listing.row(cell, now)


def _value_tests(endpoint: Endpoint, query: Query) -> list[Callable[[Row], bool]]:
    found: list[Callable[[Row], bool]] = []
    for name, column in endpoint.least.items():
        if (least := query.number(name)) is not None:
            found.append(_at_least(column, least))
    for name, column in endpoint.equal.items():
        if (wanted := query.number(name)) is not None:
            found.append(_equals(column, wanted))
    return found


def _at_least(column: str, least: float) -> Callable[[Row], bool]:
    return lambda row: float(row[column]) >= least


def _equals(column: str, wanted: float) -> Callable[[Row], bool]:
    return lambda row: float(row[column]) == wanted
