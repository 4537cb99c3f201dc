"""One ingestion run: the same from the command line and from a Prefect deployment; only its `steps` differ."""

from __future__ import annotations

from dataclasses import replace

from tasks.buy.bill import ApproveBill, approve_by_policy
from tasks.buy.outcome import Outcome
from tasks.buy.outcome_builder import OutcomeBuilder
from tasks.buy.purchase import buy_all
from tasks.buy.quote import fit_caps
from tasks.buy.steps import PLAIN, Steps
from tasks.buy.watch import UNWATCHED, Watch
from tasks.request.model import DataRequest
from tasks.workspace.run import Run, start_run
from tasks.workspace.workspace import Workspace

MOST_TURNS = 1000
"""Rounds of further pages that a listing may take."""


async def ingest(
    ws: Workspace,
    request: DataRequest,
    run: Run,
    *,
    steps: Steps = PLAIN,
    watch: Watch = UNWATCHED,
    approve_bill: ApproveBill = approve_by_policy,
) -> Outcome:
    """Recover, load; plan, quote, approve, buy, load until nothing is missing or `ws.stop`; verify and publish."""
    builder, whole = OutcomeBuilder(run, ws.asset(request.seller)), request.whole or run.budget is not None
    await start_run(ws, run)
    builder.count_recovered(await steps.recover(ws, run.flow))
    builder.loads.append(await steps.load(ws))
    with builder.keeping_errors():
        for turn in range(MOST_TURNS):
            async with ws.stop.interruptible():
                planned = await steps.plan(ws, request)
                quoted = builder.untried(await steps.quote(ws, planned, builder.halted))
            bill = await ws.in_thread(fit_caps, ws, run, quoted, whole=whole, begun=turn > 0)
            builder.note_problems(bill)
            if turn == 0:
                await steps.note_avoided(ws, run, planned)
                watch.bill(bill)
            if not bill.items:
                break
            if turn == 0:
                async with ws.stop.interruptible():
                    run = replace(run, budget=await approve_bill(bill) or run.budget)
            approved = await steps.approve(ws, run, bill)
            builder.count_bought(await buy_all(steps.buy, ws, run, approved, watch))
            builder.loads.append(await steps.load(ws))
            if builder.stopped:
                break
    with builder.keeping_errors():
        builder.count_verified(await steps.verify(ws, list(builder.bought.values())))
        builder.published = await steps.publish(ws)
        await ws.in_thread(ws.check_in_place)
    return builder.outcome((*request.notes, *ws.clocks.notes()), interrupted=ws.stop.requested)
