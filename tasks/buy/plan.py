"""From what is wanted to a bill: the missing requests, their terms, and what the cache saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from payer.values.errors import PayerError
from payer.values.money import Asset, parse_decimal
from payer.values.request import Order, Request, Run
from tasks.buy.bill import Bill, Due, Gone, Item, Line, Saved
from tasks.buy.fit_caps import within_caps
from tasks.buy.load import load
from tasks.buy.quote import price
from tasks.request.requests import Ask, Want
from tasks.workspace.run import new_run
from tasks.workspace.workspace import Workspace

if TYPE_CHECKING:
    from sources.model import Dataset, Seller
    from sources.planner.pieces import Piece
    from sources.planner.plan import Held, Plan

NOTHING_HALTED: Mapping[str, PayerError] = {}


@dataclass(frozen=True, slots=True)
class Planned:
    """One ask, planned: a plan per dataset, in the ask's order."""

    ask: Ask
    asset: Asset
    plans: tuple[tuple[Dataset, Plan], ...]


async def plan(ws: Workspace, ask: Ask) -> Planned:
    """The fewest requests that cover what is missing and due. Reads the cache, asks nobody."""
    from sources import registry
    from sources.planner import plan as planner

    now = ws.clock.now()
    plans, notes = [], list(ask.notes)
    for want in ask.wants:
        dataset = registry.dataset(want.dataset)
        seller = registry.seller(dataset.seller)
        held, more = _held(ws, dataset, want, ask.at, now)
        notes += more
        found = planner.plan(dataset, seller, want.keys, want.first, want.last, held, at=ask.at, now=now)
        plans.append((dataset, found))
    noted = replace(ask, notes=tuple(dict.fromkeys(notes)))
    return Planned(noted, ws.asset(ask.seller), tuple(plans))


def _held(ws: Workspace, dataset: Dataset, want: Want, at: datetime, now: datetime) -> tuple[Held, tuple[str, ...]]:
    """What is held by the dataset itself and those that count for it; of a snapshot's past also by its history.
    Returned with notes on what was repaired."""
    from sources import registry
    from sources.planner import plan as planner
    from sources.slots import slot
    from warehouse.coverage.held import held

    notes: list[str] = []

    def by(other: Dataset) -> Held:
        cells, more = ws.from_cache(lambda cache: held(cache, other, want.keys, want.first, want.last, at))
        notes.extend(more)
        return cells

    parts = [by(registry.dataset(name)) for name in (want.dataset, *want.held_by)]
    past = registry.history_of(dataset)
    if past and want.first < want.last:
        parts.append(planner.before(by(past), slot(dataset, now)))
    return planner.together(*parts), tuple(notes)


async def quote(ws: Workspace, planned: Planned, halted: Mapping[str, PayerError] = NOTHING_HALTED) -> Bill:
    """Current terms of every endpoint in the plan. Nothing missing: nobody is asked, and it costs nothing.

    An endpoint without terms that may be signed becomes its line's problem; what is `halted` isn't asked again.
    """
    orders = {id(piece): order(ws, dataset, piece) for dataset, p in planned.plans for piece in (*p.pieces, *p.later)}
    terms = await price(ws, orders.values(), halted)
    prices = terms.atoms
    lost = {purchase.purchase_key: purchase.purchase_id for purchase in ws.ledger.undelivered()}
    lines = []
    for dataset, p in planned.plans:
        now, later = (
            [_item(orders[id(piece)], piece, prices, _due(dataset, piece, planned.ask)) for piece in pieces]
            for pieces in (p.pieces, p.later)
        )
        lines.append(
            Line(
                dataset=dataset.name,
                missing_cells=p.missing_cells,
                items=tuple(item for item in now if item.key not in lost),
                later=tuple(item for item in later if item.key not in lost),
                undelivered=tuple(lost[item.key] for item in (*now, *later) if item.key in lost),
                saved=_saved(ws, dataset, p.avoided),
                gone=tuple(_gone(dataset, gone) for gone in p.gone),
                open_ended=p.open_ended,
                problem=next((why for item in now if (why := terms.problems.get(item.order.request.endpoint))), None),
            )
        )
    return Bill(planned.ask.flow, planned.asset, tuple(lines), terms.quotes, planned.ask.notes)


async def priced(ws: Workspace, ask: Ask, budget: int | None = None, beside: int = 0) -> Bill:
    """The bill alone, after loading what the ledger already holds: what `plan` shows. Books nothing.

    `beside` is what the other bills of the same command come to. Raises why nothing of it has a price.
    """
    loaded = await load(ws)
    bill = await quote(ws, await plan(ws, replace(ask, notes=(*ask.notes, *loaded.notes))))
    if bill.problems and not any(line.known_atoms for line in bill.lines):
        raise bill.problems[0]
    run = new_run(ask.flow, ask.reason, ws.clock.now(), budget=budget)
    return within_caps(ws, run, bill, whole=ask.whole or budget is not None, beside=beside)


async def note_avoided(ws: Workspace, run: Run, planned: Planned) -> None:
    """Book every call the cache saved, with its price as last quoted, for the `avoided` table."""
    entries = [
        {
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
            "price_atomic": _known_price(ws, dataset, made.request),
            "at": ws.clock.now(),
        }
        for dataset, p in planned.plans
        for made in (order(ws, dataset, piece) for piece in p.avoided)
    ]
    ws.ledger.note_avoided(entries, run)


def order(ws: Workspace, dataset: Dataset, piece: Piece) -> Order:
    """A piece as the payer sees it: the seller's address from policy, its static headers, the dataset's own ceiling."""
    from sources import registry

    seller = registry.seller(piece.seller)
    asset = ws.asset(seller.name)
    ceiling = None if dataset.free else dataset.ceiling(asset.symbol)
    return Order(
        request=Request(
            method=piece.method,
            url=ws.policy.sellers[seller.name].base_url + piece.path,
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


def _headers(seller: Seller, piece: Piece, asset: Asset) -> tuple[tuple[str, str], ...]:
    headers = dict(seller.headers)
    if seller.payment_token_header:
        headers[seller.payment_token_header] = asset.symbol.lower()
    if piece.body:
        headers.setdefault("content-type", "application/json")
    return tuple(sorted(headers.items()))


def _item(made: Order, piece: Piece, prices: Mapping[str, int], due: Due) -> Item:
    return Item(made, 0 if made.free else prices.get(made.request.endpoint), piece.expected_rows, due)


def _due(dataset: Dataset, piece: Piece, ask: Ask) -> Due:
    from sources.model import Kind
    from sources.slots import slot

    if dataset.kind is Kind.SNAPSHOT:
        return Due.NOW_OR_NEVER
    return Due.NEWEST if piece.last >= slot(dataset, ask.at) else Due.WHENEVER


def _known_price(ws: Workspace, dataset: Dataset, request: Request) -> int | None:
    if dataset.free:
        return 0
    kept = ws.ledger.quote(request.endpoint, ws.asset(dataset.seller))
    return None if kept is None else kept.terms.amount


def _saved(ws: Workspace, dataset: Dataset, avoided: Sequence[Piece]) -> Saved:
    if not avoided:
        return Saved()
    price = _known_price(ws, dataset, order(ws, dataset, avoided[0]).request)
    return Saved(len(avoided), None if price is None else price * len(avoided))


def _gone(dataset: Dataset, gone: object) -> Gone:
    from sources.planner.plan import Gone as Vanished
    from sources.slots import start_of

    assert isinstance(gone, Vanished)
    first, last = (
        f"{start_of(dataset, slot):%Y-%m-%d %H:%M}".removesuffix(" 00:00") for slot in (gone.first, gone.last)
    )
    span = first if first == last else f"{first} to {last}"
    return Gone(dataset.name, (gone.last - gone.first + 1) * len(gone.keys), gone.repaired_by, span)


def _text(request: Request) -> str:
    query = "&".join(f"{name}={value}" for name, value in request.params)
    return f"{request.method} {request.url}?{query}" if query else f"{request.method} {request.url}"
