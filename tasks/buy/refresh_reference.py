"""Fetching a free dataset on the side, such as the catalogue of tokens. It goes through the same ledger and loader."""

from __future__ import annotations

from payer.values.errors import Misconfigured
from tasks.buy.load import load
from tasks.buy.plan import plan, quote
from tasks.request.build import ask_fresh
from tasks.workspace.run import new_run
from tasks.workspace.workspace import Workspace

MOST_TURNS = 200


async def fetch_free(ws: Workspace, name: str) -> None:
    """Every page of a free dataset. Raises Misconfigured when it is not free: nothing is paid on the side."""
    ask = ask_fresh(ws, name, reason="lookup", at=ws.clock.now())
    run = new_run(ask.flow, ask.reason, ws.clock.now(), budget=0)
    ws.ledger.start_run(run)
    asked: set[str] = set()
    for _ in range(MOST_TURNS):
        bill = await quote(ws, await plan(ws, ask))
        fresh = [item for item in bill.items if item.key not in asked]
        if not fresh:
            return
        if bill.atoms:
            raise Misconfigured(f"{name} is not free", advice=f"buy it with `tollbook run {name}`")
        approved = await ws.payer.approve(run, [item.order for item in fresh], {})
        for purchase in approved.purchases:
            await ws.payer.buy(purchase)
        asked |= {item.key for item in fresh}
        await load(ws)
