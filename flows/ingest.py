"""One ingestion run, the same from a prompt and from a Prefect deployment: only `call` differs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from tasks.buy.bill import Bill
from tasks.buy.fit_caps import within_caps
from tasks.buy.load import load, publish
from tasks.buy.outcome import Outcome
from tasks.buy.plan import note_avoided, plan, quote
from tasks.buy.purchase import approve, buy_all, verify
from tasks.buy.recover import recover
from tasks.buy.tally import Tally
from tasks.request.requests import Ask
from tasks.workspace.run import Run
from tasks.workspace.step import Caller, at_once
from tasks.workspace.watch import UNWATCHED, Watch
from tasks.workspace.workspace import Workspace

Agree = Callable[[Bill], Awaitable[int | None]]
MOST_TURNS = 1000
"""A listing has at most so many rounds of further pages."""


async def within_policy(_bill: Bill) -> int | None:
    """Nobody is asked; policy's caps and the run's own budget decide."""
    return None


async def ingest(
    ws: Workspace, ask: Ask, run: Run, *, call: Caller = at_once, watch: Watch = UNWATCHED, agree: Agree = within_policy
) -> Outcome:
    """Recover, load, then plan, quote, approve and buy until nothing is missing, then publish."""
    tally, whole = Tally(run, ws.asset(ask.seller)), ask.whole or run.budget is not None
    ws.ledger.start_run(run)
    tally.count_recovered(await call(recover, ws, run.flow))
    tally.loads.append(await call(load, ws))
    with tally.in_order():
        for turn in range(MOST_TURNS):
            planned = await call(plan, ws, ask)
            found = tally.news(await call(quote, ws, planned, tally.halted))
            bill = tally.limited(within_caps(ws, run, found, whole=whole, begun=turn > 0))
            if turn == 0:
                await call(note_avoided, ws, run, planned)
                watch.bill(bill)
            if not bill.items:
                break
            if turn == 0:
                run = replace(run, budget=await agree(bill) or run.budget)
            approved = await call(approve, ws, run, bill)
            tally.count_bought(await buy_all(call, ws, run, approved, watch))
            tally.loads.append(await call(load, ws))
            if tally.stopped:
                break
    tally.count_proved(await call(verify, ws, list(tally.bought.values())))
    with tally.in_order():
        tally.published = await call(publish, ws)
    return tally.outcome(ask.notes)
