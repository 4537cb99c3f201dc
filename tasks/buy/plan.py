"""Plan a request: the fewest purchases that cover what is missing and due, their orders, and the bill at current terms.

An endpoint without terms that may be signed is a problem of its own line; the other lines are still bought.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from payer.values.errors import PayerError, QuoteUnacceptable, SellerUnreachable, Unreachable
from payer.values.ledger_reads import AvoidedRow
from payer.values.money import Asset, parse_decimal
from payer.values.purchase import WHO
from payer.values.request import Order, Request, Run
from payer.values.terms import Quote
from sources import registry
from sources.model import Dataset, Kind, Seller
from sources.planner import plan as planner
from sources.planner.held import HeldCells, held_before, held_from, union
from sources.planner.pieces import Piece
from sources.planner.plan import LostCells, Plan
from sources.slots import is_listing, last_settled, slot, span_text
from tasks.buy.bill import Bill, Due, Item, Line, LostData, Saved
from tasks.buy.caps import ALONE, Beside
from tasks.buy.fit_caps import fit_caps
from tasks.buy.publish import load
from tasks.calls.call import of_avoided
from tasks.calls.log import log_calls
from tasks.request.model import DataRequest, DatasetRequest
from tasks.workspace.run import new_run
from tasks.workspace.workspace import Workspace, in_ledger_thread
from warehouse.coverage.held import held

_FEW = 3
MOST_TURNS = 1000
"""Rounds of further pages that a listing may take in one run: each is planned, quoted and bought by itself."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One request with a plan per dataset, in the request's order."""

    request: DataRequest
    asset: Asset
    plans: tuple[tuple[Dataset, Plan], ...]


@in_ledger_thread
def plan(ws: Workspace, request: DataRequest) -> Planned:
    """Plan the fewest purchases that cover what is missing and due. Reads only the cache."""
    now = ws.clock.now()
    plans, notes = [], list(request.notes)
    for part in request.datasets:
        dataset = registry.dataset(part.dataset)
        held, more = _held(ws, dataset, part, request, now)
        notes += more
        found = planner.plan(
            dataset, part.keys, part.first, part.last, held, at=request.at, now=now, again=request.again
        )
        plans.append((dataset, found))
    noted = replace(request, notes=tuple(dict.fromkeys(notes)))
    return Planned(noted, ws.asset(request.seller), tuple(plans))


@in_ledger_thread
def note_avoided(ws: Workspace, run: Run, planned: Planned) -> None:
    """Book every call that the cache saved, at its last quoted price, for the `avoided` table."""
    entries = [
        _avoided_entry(ws, run, planned, dataset, order(ws, dataset, piece))
        for dataset, found in planned.plans
        for piece in found.avoided
    ]
    ws.ledger.note_avoided(entries, run)
    log_calls(of_avoided(AvoidedRow(seq=0, **entry)) for entry in entries)


def order(ws: Workspace, dataset: Dataset, piece: Piece) -> Order:
    """Turn a piece into the payer's order: the seller's address from policy, its headers, the dataset's price cap."""
    seller = registry.seller(piece.seller)
    asset = ws.asset(seller.name)
    ceiling = None if dataset.free else dataset.ceiling(asset.symbol)
    return Order(
        request=Request(
            method=piece.method,
            url=ws.seller(seller.name).base_url + piece.path,
            params=piece.params,
            body=piece.body,
            headers=_headers(seller, piece, asset),
        ),
        edition=piece.edition,
        seller=seller.name,
        dataset=dataset.name,
        context=piece.context(),
        price_cap=None if ceiling is None else parse_decimal(ceiling, asset.decimals),
        free=dataset.free,
    )


def last_price(ws: Workspace, made: Order) -> int | None:
    """Return the order's last quoted price in atomic units, 0 where it is free, None where it was never quoted."""
    if made.free:
        return 0
    quoted = ws.ledger.quote(made.request.endpoint, ws.asset(made.seller))
    return None if quoted is None else quoted.terms.amount


def _held(
    ws: Workspace, dataset: Dataset, part: DatasetRequest, request: DataRequest, now: datetime
) -> tuple[HeldCells, tuple[str, ...]]:
    """Join what the dataset holds and, of days that have not settled, its snapshots; for a snapshot's past also its
    history twin. A settled day has another value than any snapshot of it.

    Returned with notes on what was repaired.
    """
    notes: list[str] = []

    def held_of(other: Dataset) -> HeldCells:
        last = max(part.last, slot(other, now)) if is_listing(other) else part.last
        cells, more = ws.from_cache(
            lambda cache: held(cache, other, part.keys, part.first, last, request.at, again=request.again)
        )
        notes.extend(more)
        return cells

    unsettled = last_settled(dataset, request.at) + 1
    snapshots = (held_of(other).counted_by_others() for other in registry.snapshots_of(dataset))
    parts = [held_of(dataset), *(held_from(cells, unsettled) for cells in snapshots)]
    history = registry.history_of(dataset)
    if history and part.first < part.last:
        parts.append(held_before(held_of(history).counted_by_others(), slot(dataset, now)))
    return union(*parts), tuple(notes)


def _avoided_entry(ws: Workspace, run: Run, planned: Planned, dataset: Dataset, made: Order) -> dict[str, Any]:
    request, query = made.request, "&".join(f"{name}={value}" for name, value in made.request.params)
    return {
        "run_id": run.run_id,
        "flow": run.flow,
        "deployment": run.deployment,
        "flow_run_id": run.flow_run_id,
        "reason": run.reason,
        "dataset": dataset.name,
        "request": f"{request.method} {request.url}?{query}" if query else f"{request.method} {request.url}",
        "edition": made.edition,
        "network": planned.asset.network,
        "asset": planned.asset.symbol,
        "decimals": planned.asset.decimals,
        "price_atomic": last_price(ws, made),
        "at": ws.clock.now(),
        "context": {name: made.context[name] for name in ("keys", "first", "last", "page", "first_page")},
    }


def _headers(seller: Seller, piece: Piece, asset: Asset) -> tuple[tuple[str, str], ...]:
    headers = dict(seller.headers)
    if seller.payment_token_header:
        headers[seller.payment_token_header] = asset.symbol.lower()
    if piece.body:
        headers.setdefault("content-type", "application/json")
    return tuple(sorted(headers.items()))


@dataclass(frozen=True, slots=True)
class Priced:
    """By endpoint: terms that may be signed, or the reason why there are none."""

    quotes: dict[str, Quote] = field(default_factory=dict)
    problems: dict[str, PayerError] = field(default_factory=dict)

    @property
    def prices(self) -> dict[str, int]:
        """Atomic units by endpoint, also of prices that policy refuses."""
        prices = {endpoint: quote.terms.amount for endpoint, quote in self.quotes.items()}
        for endpoint, problem in self.problems.items():
            if isinstance(problem, QuoteUnacceptable) and problem.offered is not None:
                prices[endpoint] = problem.offered
        return prices


async def quote(ws: Workspace, planned: Planned, halted: Mapping[str, PayerError] | None = None) -> Bill:
    """Get current terms of every endpoint in the plan, and write the bill. An empty plan asks no seller.

    An endpoint without terms that may be signed becomes its line's problem; a `halted` one is not asked again.
    """
    orders = {
        id(piece): order(ws, dataset, piece)
        for dataset, found in planned.plans
        for piece in (*found.pieces, *found.later)
    }
    return await ws.in_thread(_bill, ws, planned, orders, await price(ws, orders.values(), halted or {}))


def _bill(ws: Workspace, planned: Planned, orders: Mapping[int, Order], priced: Priced) -> Bill:
    undelivered = {purchase.purchase_key: purchase for purchase in ws.ledger.undelivered()}
    lost = {key: purchase.purchase_id for key, purchase in undelivered.items()}
    lines = tuple(_line(ws, planned, dataset, found, orders, priced, lost) for dataset, found in planned.plans)
    listed = {purchase_id for line in lines for purchase_id in line.undelivered}
    ids = [p.purchase_id for p in undelivered.values() if p.bought_elsewhere and p.purchase_id in listed]
    notes = [*planned.request.notes]
    if ids:
        some = ", ".join(ids[:_FEW]) + (", …" if len(ids) > _FEW else "")
        bought = f"{len(ids)} of the undelivered were bought by {WHO}, which has their bodies"
        notes.append(f"{bought} ({some}): `tollbook status`")
    return Bill(planned.request.flow, planned.asset, lines, priced.quotes, tuple(notes))


async def price(ws: Workspace, orders: Iterable[Order], halted: Mapping[str, PayerError]) -> Priced:
    """Ask the seller once for each endpoint.

    Raises Unreachable where no endpoint has an answer: a caller that repeats what was unreachable then asks again.
    """
    by_endpoint: dict[str, Order] = {}
    for each in orders:
        by_endpoint.setdefault(each.request.endpoint, each)
    found = Priced(problems={endpoint: halted[endpoint] for endpoint in by_endpoint if endpoint in halted})
    for endpoint, each in by_endpoint.items():
        if each.free or endpoint in halted:
            continue
        try:
            found.quotes.update(await ws.payer.quote([each]))
        except (QuoteUnacceptable, SellerUnreachable) as problem:
            found.problems[endpoint] = problem
    silent = [problem for problem in found.problems.values() if isinstance(problem, Unreachable)]
    if silent and len(found.problems) == len(by_endpoint):
        raise silent[0]
    return found


async def current_bill(ws: Workspace, request: DataRequest, budget: int | None = None, beside: Beside = ALONE) -> Bill:
    """Load what the ledger already holds and return the request's bill: what `plan` shows. Books nothing.

    `beside` are the command's other bills. Raises the first problem where nothing has a price.
    """
    loaded = await load(ws)
    noted = replace(request, notes=(*request.notes, *loaded.notes))
    bill = await quote(ws, await plan(ws, noted))
    if bill.problems and not any(line.known_atomic for line in bill.lines):
        raise bill.problems[0]
    run = new_run(request.flow, request.reason, ws.clock.now(), budget=budget)
    return await ws.in_thread(fit_caps, ws, run, bill, whole=request.whole or budget is not None, beside=beside)


def _line(
    ws: Workspace,
    planned: Planned,
    dataset: Dataset,
    found: Plan,
    orders: Mapping[int, Order],
    priced: Priced,
    lost: Mapping[str, str],
) -> Line:
    prices = priced.prices

    def billed(piece: Piece) -> Item:
        made = orders[id(piece)]
        price = 0 if made.free else prices.get(made.request.endpoint)
        return Item(made, price, piece.expected_rows, _due(dataset, piece, planned.request))

    now, later = list(map(billed, found.pieces)), list(map(billed, found.later))
    problems = (priced.problems.get(item.order.request.endpoint) for item in now)
    return Line(
        dataset=dataset.name,
        missing_cells=found.missing_cells,
        items=tuple(item for item in now if item.key not in lost),
        later=tuple(item for item in later if item.key not in lost),
        undelivered=tuple(lost[item.key] for item in (*now, *later) if item.key in lost),
        saved=_saved(ws, dataset, found.avoided),
        lost=tuple(_lost_data(dataset, lost) for lost in found.lost),
        open_ended=found.open_ended,
        may_grow=found.may_grow,
        most_calls=found.most_calls,
        problem=next((problem for problem in problems if problem), None),
        unconfirmed=found.unconfirmed,
        pending=found.pending,
        confirmed_empty=found.confirmed_empty,
    )


def _due(dataset: Dataset, piece: Piece, request: DataRequest) -> Due:
    if dataset.kind is Kind.SNAPSHOT:
        return Due.NOW_OR_NEVER
    return Due.NEWEST if piece.last >= slot(dataset, request.at) else Due.WHENEVER


def _saved(ws: Workspace, dataset: Dataset, avoided: Sequence[Piece]) -> Saved:
    if not avoided:
        return Saved()
    each = last_price(ws, order(ws, dataset, avoided[0]))
    return Saved(len(avoided), None if each is None else each * len(avoided))


def _lost_data(dataset: Dataset, lost: LostCells) -> LostData:
    cells, span = (lost.last - lost.first + 1) * len(lost.keys), span_text(dataset, lost.first, lost.last)
    return LostData(dataset.name, cells, dataset.repaired_by, span)
