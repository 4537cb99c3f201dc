"""Fetch free reference data, such as the token catalogue, through the same ledger and loader as everything else."""

from __future__ import annotations

from collections.abc import Sequence
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
from tasks.request.tokens import all_known, token_ids, words_of
from tasks.workspace.run import new_run, start_run
from tasks.workspace.workspace import Workspace
from warehouse.coverage.held import held

if TYPE_CHECKING:
    from tasks.request.tokens import Catalogue

MOST_TURNS = 200


async def resolve_keys(ws: Workspace, tokens: str | None, keys: Sequence[str] = ()) -> Keys:
    """Turn --tokens and each --keys into a selection; keys of other kinds are taken as they are written.

    Raises BadRequest for a token that is unknown or ambiguous.
    """
    others = tuple(dict.fromkeys(key.strip() for key in keys if key.strip()))
    ids, notes = (None, ()) if tokens is None else await resolve_tokens(ws, tokens)
    return Keys(ids, others or None, notes)


async def resolve_tokens(ws: Workspace, text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the ids of a comma list such as "3375,ETH", and notes on what was repaired.

    The catalogue is fetched, for nothing, when it was never read to its end, and again before a token is called
    unknown, once a day at most. Raises BadRequest for a token that is unknown or ambiguous.
    """
    words = words_of(text)
    tokens, notes = await catalogue(ws)
    if not all_known(words, tokens):
        tokens, more = await catalogue(ws, today=True)
        notes += more
    return token_ids(words, tokens), notes


async def catalogue(ws: Workspace, *, today: bool = False) -> tuple[Catalogue, tuple[str, ...]]:
    """Return every token by id, from a list read to its end at any time, or today; and notes on what was repaired."""
    loaded = await load(ws)
    if not await ws.in_thread(_was_read, ws, today=today):
        await refresh_reference(ws, TOKENS)
    tokens, notes = await ws.in_thread(ws.from_cache, lambda cache: cache.tokens())
    return {str(token.token_id): token for token in tokens}, (*loaded.notes, *notes)


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


def _was_read(ws: Workspace, *, today: bool) -> bool:
    """True when the list was read to its end, today or ever; some of its pages are no catalogue."""
    dataset, now = registry.dataset(TOKENS), ws.clock.now()
    current = slot(dataset, now)
    return bool(held(ws.cache, dataset, (EVERYTHING,), current if today else 0, current, now).spans)
