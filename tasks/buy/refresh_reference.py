"""Fetch free reference data, such as the token catalogue, through the same ledger and loader as everything else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from payer.values.errors import Misconfigured
from sources import registry
from sources.model import EVERYTHING
from sources.slots import slot
from tasks.buy.load import load
from tasks.buy.plan import plan
from tasks.buy.quote import quote
from tasks.request.build import request_fresh
from tasks.request.keys import TOKENS
from tasks.request.model import Keys
from tasks.request.tokens import all_known, any_ambiguous, token_ids, words_of
from tasks.workspace.run import new_run, start_run
from tasks.workspace.workspace import Workspace
from warehouse.coverage.held import held
from warehouse.load.parse import read_one

if TYPE_CHECKING:
    from tasks.request.tokens import Catalogue

MOST_TURNS = 200
LARGEST = "top-market-cap-tokens"
"""The free dataset that lists the largest tokens, the largest first."""


async def resolve_keys(ws: Workspace, tokens: str | None, keys: Sequence[str] = (), *, top: bool = False) -> Keys:
    """Turn --tokens and each --keys into a selection; keys of other kinds are taken as they are written.

    Raises BadRequest for a token that is unknown, or ambiguous without `top`.
    """
    others = tuple(dict.fromkeys(key.strip() for key in keys if key.strip()))
    ids, notes = (None, ()) if tokens is None else await resolve_tokens(ws, tokens, top=top)
    return Keys(ids, others or None, notes)


async def resolve_tokens(ws: Workspace, text: str, *, top: bool = False) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the ids of a comma list such as "3375,ETH", and notes on what was repaired.

    The catalogue is fetched, for nothing, when it was never read to its end, and again before a token is called
    unknown, once a day at most. A symbol of several tokens means the one with the greatest market cap if `top` is
    given. Raises BadRequest for a token that is unknown, or ambiguous otherwise.
    """
    words = words_of(text)
    tokens, notes = await catalogue(ws)
    if not all_known(words, tokens):
        tokens, more = await catalogue(ws, today=True)
        notes += more
    if any_ambiguous(words, tokens):
        tokens, more = await ranked(ws, tokens)
        notes += more
    return token_ids(words, tokens, top=top), notes


async def catalogue(ws: Workspace, *, today: bool = False) -> tuple[Catalogue, tuple[str, ...]]:
    """Return every token by id, from a list read to its end at any time, or today; and notes on what was repaired."""
    loaded = await load(ws)
    if not await ws.in_thread(_was_read, ws, TOKENS, today=today):
        await refresh_reference(ws, TOKENS)
    tokens, notes = await ws.in_thread(ws.from_cache, lambda cache: cache.tokens())
    return {str(token.token_id): token for token in tokens}, (*loaded.notes, *notes)


async def ranked(ws: Workspace, tokens: Catalogue) -> tuple[Catalogue, tuple[str, ...]]:
    """Add each token's rank from the seller's free list of the largest, fetched once a day; and notes on repairs."""
    if not await ws.in_thread(_was_read, ws, LARGEST, today=True):
        await refresh_reference(ws, LARGEST)
    return await ws.in_thread(_with_ranks, ws, tokens)


def _with_ranks(ws: Workspace, tokens: Catalogue) -> tuple[Catalogue, tuple[str, ...]]:
    dataset = registry.dataset(LARGEST)
    newest, notes = ws.from_cache(lambda cache: cache.newest_purchase(dataset.table))
    delivery = ws.ledger.delivery(newest) if newest else None
    listed = read_one(delivery).parsed if delivery else None
    if listed is None:
        return tokens, notes
    ids = listed.table["token_id"].to_pylist()
    ranks = {str(token_id): place for place, token_id in enumerate(dict.fromkeys(ids), start=1)}
    return {key: replace(token, rank=ranks.get(key)) for key, token in tokens.items()}, notes


async def refresh_reference(ws: Workspace, name: str) -> None:
    """Fetch and load every page of a free dataset. Raises Misconfigured when it is not free: nothing is paid here."""
    request = await ws.in_thread(request_fresh, ws, name, reason="lookup", at=ws.clock.now())
    run = new_run(request.flow, request.reason, ws.clock.now(), budget=0)
    await start_run(ws, run)
    requested: set[str] = set()
    for _ in range(MOST_TURNS):
        bill = await quote(ws, await plan(ws, request))
        fresh = [item for item in bill.items if item.key not in requested]
        if not fresh:
            return
        if bill.amount_atomic:
            raise Misconfigured(f"{name} is not free", advice=f"buy it with `tollbook run {name}`")
        approved = await ws.payer.approve(run, [item.order for item in fresh], {})
        for purchase in approved.purchases:
            await ws.payer.buy(purchase)
        requested |= {item.key for item in fresh}
        await load(ws)


def _was_read(ws: Workspace, name: str, *, today: bool) -> bool:
    """True when the list was read to its end, today or ever; some of its pages are no list."""
    dataset, now = registry.dataset(name), ws.clock.now()
    current = slot(dataset, now)
    return bool(held(ws.cache, dataset, (EVERYTHING,), current if today else 0, current, now).spans)
