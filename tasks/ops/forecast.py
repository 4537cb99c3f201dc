"""Forecast the coming weeks' cost: plan at the schedules' own times, and count each plan as delivered in full."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from payer.values.money import Amount, Asset
from sources import registry
from sources.coverage import cover as coverage
from sources.coverage.cover import CoveredSpan
from sources.coverage.delivered_page import DeliveredPage
from sources.model import Dataset, Kind
from sources.planner import plan as planner
from sources.planner.held import HeldCells, held_from, union
from sources.planner.pieces import Piece
from sources.planner.plan import Plan
from sources.slots import last_settled
from tasks.buy.plan import last_price, order
from tasks.reference.catalogue import resolve_keys
from tasks.request.build import request_fresh
from tasks.request.model import BadRequest, DataRequest, DatasetRequest, Keys
from tasks.request.schedules import Schedule
from tasks.workspace.workspace import Workspace
from warehouse.coverage.held import held

DAYS = 30


@dataclass(slots=True)
class Forecast:
    """One flow's coming runs, at the last quoted prices; `unknown_prices` names datasets that were never quoted."""

    flow: str
    asset: Asset
    schedule: str
    runs: int = 0
    calls: int = 0
    amount_atomic: int = 0
    at_most_atomic: int = 0
    """As `amount_atomic`, with the declared ceilings in place of prices that are unknown."""
    open_ended: bool = False
    unknown_prices: set[str] = field(default_factory=set)

    def add(self, other: Forecast) -> None:
        self.runs += other.runs
        self.calls += other.calls
        self.amount_atomic += other.amount_atomic
        self.at_most_atomic += other.at_most_atomic
        self.open_ended |= other.open_ended
        self.unknown_prices |= other.unknown_prices

    def document(self) -> dict[str, Any]:
        return {
            "flow": self.flow,
            "schedule": self.schedule,
            "runs": self.runs,
            "calls": self.calls,
            "amount": Amount(self.amount_atomic, self.asset).decimal,
            "asset": self.asset.symbol,
            "open_ended": self.open_ended,
            "unknown_prices": sorted(self.unknown_prices),
        }


class _FutureCoverage:
    """Coverage as time goes on: what the cache holds now, and what the forecast's runs would deliver."""

    def __init__(self, ws: Workspace) -> None:
        self._ws = ws
        self._delivered: dict[str, list[CoveredSpan]] = {}

    def held(self, part: DatasetRequest, at: datetime) -> HeldCells:
        own = registry.dataset(part.dataset)
        unsettled = last_settled(own, at) + 1
        snapshots = (self._held_of(twin, part, at).counted_by_others() for twin in registry.snapshots_of(own))
        return union(self._held_of(own, part, at), *(held_from(cells, unsettled) for cells in snapshots))

    def _held_of(self, dataset: Dataset, part: DatasetRequest, at: datetime) -> HeldCells:
        cells, _ = self._ws.from_cache(lambda cache: held(cache, dataset, part.keys, part.first, part.last, at))
        return union(cells, coverage.held_cells(dataset, self._delivered.get(dataset.name, ()), at))

    def deliver(self, dataset: Dataset, plan: Plan, at: datetime) -> None:
        groups: dict[str, list[DeliveredPage]] = {}
        for piece in (*plan.pieces, *plan.later):
            groups.setdefault(piece.group.id, []).append(_answered(dataset, piece, at))
        for answers in groups.values():
            self._delivered.setdefault(dataset.name, []).extend(coverage.cover(dataset, answers).spans)


def _answered(dataset: Dataset, piece: Piece, at: datetime) -> DeliveredPage:
    """Return the page as it would be delivered: every cell has its row, and an open listing ends."""
    cells = [(key, slot) for key in piece.keys for slot in range(piece.first, piece.last + 1)]
    limit = piece.group.limit
    start = 0 if limit is None else (piece.page - piece.group.first_page) * limit
    page = cells[start:] if limit is None else cells[start : start + limit]
    rows = len(page) if dataset.kind is Kind.SERIES and dataset.window else 0
    return DeliveredPage(piece.group, piece.page, at, rows, tuple(page), known=True)


async def forecast(
    ws: Workspace,
    schedules: Sequence[Schedule],
    *,
    flows: Sequence[str] | None = None,
    tokens: str | None = None,
    days: int = DAYS,
) -> list[Forecast]:
    """Forecast the coming days of every scheduled flow that buys, with `tokens` or those of its deployment.

    Runs are planned in the order of their times, so what one schedule buys another needn't. Reads cache and ledger;
    only the free token catalogue may be fetched.
    """
    chosen = [s for s in schedules if s.flow in registry.feeds() and s.active and (not flows or s.flow in flows)]
    scheduled = {schedule.flow for schedule in chosen}
    if missing := [flow for flow in flows or () if flow not in scheduled]:
        advice = f"of those named, scheduled are: {', '.join(sorted(scheduled)) or 'none that buys'}"
        raise BadRequest(f"no schedule runs {missing[0]}", advice=advice)
    keys = [await resolve_keys(ws, tokens if tokens is not None else schedule.tokens) for schedule in chosen]
    found = [Forecast(s.flow, _asset(ws, s.flow), s.cron) for s in chosen]
    async for _, number, run in runs_ahead(ws, chosen, keys, days):
        found[number].add(run)
    return found


async def runs_ahead(
    ws: Workspace, schedules: Sequence[Schedule], keys: Sequence[Keys], days: int
) -> AsyncIterator[tuple[datetime, int, Forecast]]:
    """Yield each coming run in the order of time, with its schedule's index and what it is to cost."""
    start, held = ws.clock.now(), _FutureCoverage(ws)
    end = start + timedelta(days=days)
    for at, number in sorted((at, number) for number, s in enumerate(schedules) for at in s.times(start, end)):
        schedule, named = schedules[number], keys[number]
        run = Forecast(schedule.flow, _asset(ws, schedule.flow), schedule.cron, runs=1)
        request = await ws.in_thread(request_fresh, ws, schedule.flow, reason="forecast", at=at, keys=named)
        await ws.in_thread(_add_run, ws, request, held, run)
        yield at, number, run


def _asset(ws: Workspace, flow: str) -> Asset:
    return ws.asset(registry.dataset(registry.feeds()[flow].datasets[0]).seller)


def _add_run(ws: Workspace, request: DataRequest, held: _FutureCoverage, result: Forecast) -> None:
    at = request.at
    for part in request.datasets:
        dataset = registry.dataset(part.dataset)
        plan = planner.plan(dataset, part.keys, part.first, part.last, held.held(part, at), at=at, now=at)
        for piece in (*plan.pieces, *plan.later):
            made = order(ws, dataset, piece)
            price = last_price(ws, made)
            result.calls += 1
            result.amount_atomic += price or 0
            result.at_most_atomic += (made.price_cap or 0) if price is None else price
            if price is None:
                result.unknown_prices.add(dataset.name)
        result.open_ended |= plan.open_ended
        held.deliver(dataset, plan, at)
