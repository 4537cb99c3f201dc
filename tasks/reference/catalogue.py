"""Free reference data of a seller: lists are fetched through the same ledger and loader as everything else, and tokens
found in its catalogue, with the rank that its list of the largest gives them.
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace

from payer.environment.env_file import POLICY
from payer.values.errors import Misconfigured
from sources import registry
from sources.model import EVERYTHING
from sources.slots import slot
from tasks.buy.plan import plan, quote
from tasks.buy.publish import load
from tasks.request.build import parse_range, request_fresh, request_range
from tasks.request.model import DataRequest, Keys
from tasks.request.names import TOKENS, check_named, datasets_of, with_history
from tasks.request.tokens import Catalogue, all_known, any_ambiguous, token_ids, words_of
from tasks.workspace.run import new_run, start_run
from tasks.workspace.workspace import Workspace
from warehouse.coverage.held import held
from warehouse.load.parse import read_one

MOST_TURNS = 200


async def refresh_reference(ws: Workspace, name: str) -> None:
    """Fetch and load every page of a free dataset. Raises Misconfigured when it is not free: nothing is paid here.

    Where a page can't be had, those after it are given up, and nothing stays open in the ledger.
    """
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
        left = list(approved.purchases)
        try:
            while left:
                await ws.payer.buy(left.pop(0))
        finally:
            if left:
                await ws.in_thread(ws.payer.release, left)
        requested |= {item.key for item in fresh}
        await load(ws)


def was_read(ws: Workspace, name: str, *, today: bool) -> bool:
    """True when the list was read to its end, today or ever; some of its pages are no list."""
    dataset, now = registry.dataset(name), ws.clock.now()
    current = slot(dataset, now)
    return bool(held(ws.cache, dataset, (EVERYTHING,), current if today else 0, current, now).spans)


CATALOGUED = registry.dataset(TOKENS).seller
"""The seller that sells by token, and lists its tokens for nothing."""

HOME, KEY, OFFSET = "TOLLBOOK_HOME", "TOLLBOOK_PRIVATE_KEY", "TOLLBOOK_CLOCK_OFFSET"


@contextmanager
def throwaway_home(clock_offset: str | None = None) -> Iterator[dict[str, str]]:
    """Yield the environment of a home that ends with the block, without a policy; `clock_offset` is a sandbox's.

    A free purchase has a payer like any other: its key is drawn here.
    """
    with tempfile.TemporaryDirectory(prefix="tollbook-lists-") as folder:
        yield {HOME: folder, KEY: secrets.token_hex(32), **({OFFSET: clock_offset} if clock_offset else {})}


LARGEST = "top-market-cap-tokens"
"""The free dataset that lists the largest tokens, the largest first."""


async def resolve_keys(ws: Workspace, tokens: str | None, keys: Sequence[str] = (), *, top: bool = False) -> Keys:
    """Turn --tokens and each --keys into a selection; keys of other kinds are taken as they are written.

    Raises BadRequest for a token that is unknown, or ambiguous without `top`.
    """
    others = tuple(dict.fromkeys(key.strip() for key in keys if key.strip()))
    ids, notes = (None, ()) if tokens is None else await resolve_tokens(ws, tokens, top=top)
    return Keys(ids, others or None, notes)


async def backfill_request(
    ws: Workspace,
    names: Sequence[str],
    first: str | None,
    last: str | None,
    tokens: str | None,
    keys: Sequence[str],
    *,
    top: bool = False,
    again: bool = False,
) -> DataRequest:
    """Build a backfill's request from what a person typed. Raises BadRequest before any seller is asked for terms."""
    start, end = parse_range(first, last)
    for name in names:
        with_history(name)
    check_named(datasets_of(names), tokens, keys)
    named = await resolve_keys(ws, tokens, keys, top=top)
    return await ws.in_thread(request_range, ws, names, start, end, at=ws.clock.now(), keys=named, again=again)


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
    async with _having(ws, TOKENS, today=today) as reader:
        tokens, notes = await reader.in_thread(reader.from_cache, lambda cache: cache.tokens())
    return {str(token.token_id): token for token in tokens}, (*loaded.notes, *notes)


async def ranked(ws: Workspace, tokens: Catalogue) -> tuple[Catalogue, tuple[str, ...]]:
    """Add each token's rank from the seller's free list of the largest, fetched once a day; and notes on repairs."""
    async with _having(ws, LARGEST, today=True) as reader:
        return await reader.in_thread(_with_ranks, reader, tokens)


@asynccontextmanager
async def _having(ws: Workspace, name: str, *, today: bool) -> AsyncIterator[Workspace]:
    """Yield a workspace that has read the list: this one or, where it has no wallet to fetch it, one that is thrown
    away."""
    if await ws.in_thread(was_read, ws, name, today=today):
        yield ws
    elif ws.has_wallet:
        await refresh_reference(ws, name)
        yield ws
    else:
        with throwaway_home(str(ws.settings.clock_offset or "")) as environ:
            async with Workspace.open({**environ, POLICY: str(ws.settings.policy)}) as reader:
                await refresh_reference(reader, name)
                yield reader


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


FIX = "remove it, or find the id that was meant: `tollbook tokens QUERY`"


async def unlisted_tokens(ws: Workspace) -> tuple[str, ...]:
    """Return the ids of the watch list that the catalogue of today does not have.

    An older catalogue does while it has them all. Raises what keeps it from being read, such as SellerUnreachable.
    """
    seller = ws.policy.sellers.get(CATALOGUED)
    watched = [str(token) for token in seller.tokens] if seller else []
    if not watched:
        return ()
    known, _ = await catalogue(ws)
    if not all(token in known for token in watched):
        known, _ = await catalogue(ws, today=True)
    return tuple(token for token in watched if token not in known)


def unlisted_text(ids: tuple[str, ...]) -> str:
    """Say which ids bring nothing, and what to do; "" for none."""
    if not ids:
        return ""
    option = f"sellers.{CATALOGUED}.tokens"
    return f"{option} names {', '.join(ids)}, which the seller's catalogue does not list: no call brings rows of it"
