"""Plan a request: the fewest purchases that cover what is missing and due, and the orders that they become."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from payer.values.ledger_reads import AvoidedRow
from payer.values.money import Asset, parse_decimal
from payer.values.request import Order, Request, Run
from sources import registry
from sources.model import Dataset, Seller
from sources.planner import plan as planner
from sources.planner.held import HeldCells, held_before, held_from, union
from sources.planner.pieces import Piece
from sources.planner.plan import Plan
from sources.slots import is_listing, last_settled, slot
from tasks.calls.call import of_avoided
from tasks.calls.log import log_calls
from tasks.request.model import DataRequest, DatasetRequest
from tasks.workspace.workspace import Workspace, in_ledger_thread
from warehouse.coverage.held import held

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
        seller = registry.seller(dataset.seller)
        held, more = _held(ws, dataset, part, request, now)
        notes += more
        found = planner.plan(
            dataset, seller, part.keys, part.first, part.last, held, at=request.at, now=now, again=request.again
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
    quote = ws.ledger.quote(made.request.endpoint, ws.asset(made.seller))
    return None if quote is None else quote.terms.amount


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
    snapshots = (held_of(registry.dataset(name)).counted_by_others() for name in part.held_by)
    parts = [held_of(dataset), *(held_from(cells, unsettled) for cells in snapshots)]
    history = registry.history_of(dataset)
    if history and part.first < part.last:
        parts.append(held_before(held_of(history).counted_by_others(), slot(dataset, now)))
    return union(*parts), tuple(notes)


def _avoided_entry(ws: Workspace, run: Run, planned: Planned, dataset: Dataset, made: Order) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "flow": run.flow,
        "deployment": run.deployment,
        "flow_run_id": run.flow_run_id,
        "reason": run.reason,
        "dataset": dataset.name,
        "request": _text(made.request),
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


def _text(request: Request) -> str:
    query = "&".join(f"{name}={value}" for name, value in request.params)
    return f"{request.method} {request.url}?{query}" if query else f"{request.method} {request.url}"
