"""What the coming weeks would cost: the planner run at the schedules' own times, each run's answers taken as given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from payer.values.money import Amount, Asset
from payer.values.request import Order
from tasks.request.build import ask_fresh
from tasks.request.requests import Ask, BadRequest, Want
from tasks.request.tokens import keys_named
from tasks.workspace.schedules import Schedule
from tasks.workspace.workspace import Workspace

if TYPE_CHECKING:
    from sources.coverage.answered import Answered
    from sources.coverage.cover import Covered
    from sources.model import Dataset
    from sources.planner.pieces import Piece
    from sources.planner.plan import Held, Plan
    from warehouse.cache.store import Cache

DAYS = 30


@dataclass(slots=True)
class Forecast:
    """One flow's coming runs. `atoms` is at the prices known now; `unknown_prices` names what was never quoted."""

    flow: str
    asset: Asset
    schedule: str
    runs: int = 0
    calls: int = 0
    atoms: int = 0
    open_ended: bool = False
    unknown_prices: set[str] = field(default_factory=set)

    def document(self) -> dict[str, Any]:
        return {
            "flow": self.flow,
            "schedule": self.schedule,
            "runs": self.runs,
            "calls": self.calls,
            "amount": Amount(self.atoms, self.asset).decimal,
            "asset": self.asset.symbol,
            "open_ended": self.open_ended,
            "unknown_prices": sorted(self.unknown_prices),
        }


class _Held:
    """What a dataset would hold as time goes on: what the cache has now, and what the forecast's runs would bring."""

    def __init__(self, ws: Workspace) -> None:
        self._ws = ws
        self._brought: dict[str, list[Covered]] = {}

    def at(self, want: Want, at: datetime) -> Any:
        from sources import registry
        from sources.coverage import cover as coverage
        from sources.planner import plan as planner

        parts = []
        for name in (want.dataset, *want.held_by):
            dataset = registry.dataset(name)
            cells, _ = self._ws.from_cache(partial(_holding, dataset, want, at))
            parts.append(cells)
            parts.append(coverage.held(dataset, self._brought.get(name, ()), at))
        return planner.together(*parts)

    def bring(self, dataset: Dataset, plan: Plan, at: datetime) -> None:
        from sources.coverage.cover import cover

        groups: dict[str, list[Answered]] = {}
        for piece in (*plan.pieces, *plan.later):
            groups.setdefault(piece.group.id, []).append(_answered(dataset, piece, at))
        for answers in groups.values():
            self._brought.setdefault(dataset.name, []).extend(cover(dataset, answers).spans)


def _holding(dataset: Dataset, want: Want, at: datetime, cache: Cache) -> Held:
    from warehouse.coverage.held import held

    return held(cache, dataset, want.keys, want.first, want.last, at)


def _answered(dataset: Dataset, piece: Piece, at: datetime) -> Answered:
    """The page as it would come: every cell has its row, and an open listing ends here."""
    from sources.coverage.answered import Answered
    from sources.model import Kind

    cells = [(key, slot) for key in piece.keys for slot in range(piece.first, piece.last + 1)]
    limit = piece.group.limit
    start = 0 if limit is None else (piece.page - piece.group.first_page) * limit
    own = cells[start:] if limit is None else cells[start : start + limit]
    rows = len(own) if dataset.kind is Kind.SERIES and dataset.window else 0
    return Answered(piece.group, piece.page, at, rows, tuple(own), known=True)


async def forecast(
    ws: Workspace,
    schedules: Sequence[Schedule],
    *,
    flows: Sequence[str] | None = None,
    tokens: str | None = None,
    days: int = DAYS,
) -> list[Forecast]:
    """The coming days of every scheduled flow that buys: `tokens`, else those of its deployment's parameters. Runs are
    taken in the order of their times, so what one schedule brings another needn't buy. Reads cache and ledger; asks
    nobody but the free catalogue of tokens."""
    from sources.feeds import FEEDS

    start, held = ws.clock.now(), _Held(ws)
    chosen = [s for s in schedules if s.flow in FEEDS and s.active and (not flows or s.flow in flows)]
    _check_scheduled(flows or (), chosen)
    keys = [await keys_named(ws, tokens if tokens is not None else schedule.tokens) for schedule in chosen]
    found = [Forecast(s.flow, _asset(ws, s.flow), s.cron) for s in chosen]
    end = start + timedelta(days=days)
    for at, number in sorted((at, number) for number, s in enumerate(chosen) for at in s.times(start, end)):
        found[number].runs += 1
        ask = ask_fresh(ws, chosen[number].flow, reason="forecast", at=at, keys=keys[number])
        _add_run(ws, ask, held, found[number])
    return found


def _check_scheduled(flows: Sequence[str], chosen: Sequence[Schedule]) -> None:
    missing = [flow for flow in flows if flow not in {schedule.flow for schedule in chosen}]
    if missing:
        scheduled = ", ".join(sorted({schedule.flow for schedule in chosen})) or "none that buys"
        raise BadRequest(f"no schedule runs {missing[0]}", advice=f"of those named, scheduled are: {scheduled}")


def _asset(ws: Workspace, flow: str) -> Asset:
    from sources import registry
    from sources.feeds import FEEDS

    return ws.asset(registry.dataset(FEEDS[flow].datasets[0]).seller)


def _add_run(ws: Workspace, ask: Ask, held: _Held, result: Forecast) -> None:
    from sources import registry
    from sources.planner import plan as planner
    from tasks.buy.plan import order

    for want in ask.wants:
        dataset = registry.dataset(want.dataset)
        seller = registry.seller(dataset.seller)
        holding = held.at(want, ask.at)
        plan = planner.plan(dataset, seller, want.keys, want.first, want.last, holding, at=ask.at, now=ask.at)
        for piece in (*plan.pieces, *plan.later):
            price = _price(ws, order(ws, dataset, piece))
            result.calls += 1
            result.atoms += price or 0
            if price is None:
                result.unknown_prices.add(dataset.name)
        result.open_ended |= plan.open_ended
        held.bring(dataset, plan, ask.at)


def _price(ws: Workspace, made: Order) -> int | None:
    """As last quoted; a forecast asks nobody."""
    if made.free:
        return 0
    kept = ws.ledger.quote(made.request.endpoint, ws.asset(made.seller))
    return None if kept is None else kept.terms.amount
