"""From what is wanted to a bill: the missing requests, their terms, and what the cache saved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tollbook.payer.money import Asset, parse_decimal
from tollbook.payer.types import Order, Quote, Request, Run
from tollbook.tasks.asking import Ask, Want
from tollbook.tasks.bill import Bill, Gone, Item, Line, Saved
from tollbook.tasks.load import load
from tollbook.tasks.workspace import Workspace

if TYPE_CHECKING:
    from tollbook.sources.model import Dataset, Seller
    from tollbook.sources.pieces import Piece
    from tollbook.sources.planner import Held, Plan
    from tollbook.warehouse.cache import Cache

DEFAULT_ASSET = "USDC"


@dataclass(frozen=True, slots=True)
class Planned:
    """One ask, planned: a plan per dataset, in the ask's order."""

    ask: Ask
    asset: Asset
    plans: tuple[tuple[Dataset, Plan], ...]


async def plan(ws: Workspace, ask: Ask) -> Planned:
    """The fewest requests that cover what is missing and due. Reads the cache, asks nobody."""
    from tollbook.sources import planner, registry

    now = ws.clock.now()
    plans = []
    for want in ask.wants:
        dataset = registry.dataset(want.dataset)
        seller = registry.seller(dataset.seller)
        held = planner.together(*(ws.from_cache(_holding(want, name, ask)) for name in (want.dataset, *want.held_by)))
        found = planner.plan(dataset, seller, want.keys, want.first, want.last, held, at=ask.at, now=now)
        plans.append((dataset, found))
    noted = replace(ask, notes=(*ask.notes, *ws.cache.owed))
    return Planned(noted, ws.asset(ask.seller), tuple(plans))


def _holding(want: Want, name: str, ask: Ask) -> Callable[[Cache], Held]:
    from tollbook.sources import registry

    return lambda cache: cache.held(registry.dataset(name), want.keys, want.first, want.last, ask.at)


async def quote(ws: Workspace, planned: Planned) -> Bill:
    """Current terms of every endpoint in the plan. Nothing missing: nobody is asked, and it costs nothing."""
    orders = {id(piece): order(ws, dataset, piece) for dataset, p in planned.plans for piece in (*p.pieces, *p.later)}
    quotes = await ws.payer.quote(orders.values()) if orders else {}
    lost = {purchase.purchase_key: purchase.purchase_id for purchase in ws.ledger.undelivered()}
    lines = []
    for dataset, p in planned.plans:
        now = [_item(orders[id(piece)], piece, quotes) for piece in p.pieces]
        later = [_item(orders[id(piece)], piece, quotes) for piece in p.later]
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
            )
        )
    return Bill(planned.ask.flow, planned.asset, tuple(lines), quotes, planned.ask.notes)


async def priced(ws: Workspace, ask: Ask) -> Bill:
    """The bill alone, after loading what the ledger already holds: what `plan` shows. Books nothing."""
    await load(ws)
    return await quote(ws, await plan(ws, ask))


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
    from tollbook.sources import registry

    seller = registry.seller(piece.seller)
    asset = ws.asset(seller.name)
    capped = asset.symbol == DEFAULT_ASSET and not dataset.free
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
        price_cap=parse_decimal(dataset.max_price, asset.decimals) if capped else None,
        free=dataset.free,
    )


def _headers(seller: Seller, piece: Piece, asset: Asset) -> tuple[tuple[str, str], ...]:
    headers = dict(seller.headers)
    if seller.payment_token_header:
        headers[seller.payment_token_header] = asset.symbol.lower()
    if piece.body:
        headers.setdefault("content-type", "application/json")
    return tuple(sorted(headers.items()))


def _item(made: Order, piece: Piece, quotes: dict[str, Quote]) -> Item:
    found = quotes.get(made.request.endpoint)
    price = 0 if made.free else found.terms.amount if found else None
    return Item(made, price, piece.expected_rows)


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
    from tollbook.sources.planner import Gone as Vanished
    from tollbook.sources.slots import start_of

    assert isinstance(gone, Vanished)
    first, last = (
        f"{start_of(dataset, slot):%Y-%m-%d %H:%M}".removesuffix(" 00:00") for slot in (gone.first, gone.last)
    )
    span = first if first == last else f"{first} to {last}"
    return Gone(dataset.name, (gone.last - gone.first + 1) * len(gone.keys), gone.repaired_by, span)


def _text(request: Request) -> str:
    query = "&".join(f"{name}={value}" for name, value in request.params)
    return f"{request.method} {request.url}?{query}" if query else f"{request.method} {request.url}"
