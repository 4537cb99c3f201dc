"""Fetch free reference data, such as the token catalogue, through the same ledger and loader as everything else.

Without a wallet, in a home that is thrown away, by a key that is forgotten with it.
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from payer.values.errors import Misconfigured
from sources import registry
from sources.model import EVERYTHING
from sources.slots import slot
from tasks.buy.plan import plan
from tasks.buy.publish import load
from tasks.buy.quote import quote
from tasks.request.build import request_fresh
from tasks.request.names import TOKENS
from tasks.workspace.run import new_run, start_run
from tasks.workspace.workspace import Workspace
from warehouse.coverage.held import held

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
