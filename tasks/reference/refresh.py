"""Fetch free reference data, such as the token catalogue, through the same ledger and loader as everything else."""

from __future__ import annotations

from payer.values.errors import Misconfigured
from sources import registry
from sources.model import EVERYTHING
from sources.slots import slot
from tasks.buy.load import load
from tasks.buy.plan import plan
from tasks.buy.quote import quote
from tasks.request.build import request_fresh
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
