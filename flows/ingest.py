"""One ingestion run: the same from the command line and from a Prefect deployment, where each step is a task."""

from __future__ import annotations

from dataclasses import replace

from tasks.buy.bill import ApproveBill, approve_by_policy
from tasks.buy.fit_caps import fit_caps
from tasks.buy.outcome import Outcome
from tasks.buy.outcome_builder import OutcomeBuilder
from tasks.buy.plan import MOST_TURNS, note_avoided, plan, quote
from tasks.buy.publish import load, publish
from tasks.buy.purchase import approve, buy, buy_all, recover, verify
from tasks.buy.watch import UNWATCHED, Watch
from tasks.request.model import DataRequest
from tasks.workspace.run import AsStep, Run, plain, start_run
from tasks.workspace.workspace import Workspace


async def ingest(
    ws: Workspace,
    request: DataRequest,
    run: Run,
    *,
    step: AsStep = plain,
    watch: Watch = UNWATCHED,
    approve_bill: ApproveBill = approve_by_policy,
    publishes: bool = True,
) -> Outcome:
    """Recover, load; plan, quote, approve, buy, load until nothing is missing or `ws.stop`; verify, and publish unless
    the command does so once at its end."""
    builder, whole = OutcomeBuilder(run, ws.asset(request.seller)), request.whole or run.budget is not None
    await start_run(ws, run)
    builder.count_recovered(await step(recover)(ws, run.flow))
    builder.loads.append(await step(load)(ws))
    with builder.keeping_errors():
        for turn in range(MOST_TURNS):
            async with ws.stop.interruptible():
                planned = await step(plan)(ws, request)
                quoted = builder.untried(await step(quote)(ws, planned, builder.halted))
            bill = await ws.in_thread(fit_caps, ws, run, quoted, whole=whole, begun=turn > 0)
            builder.note_problems(bill)
            if turn == 0:
                await step(note_avoided)(ws, run, planned)
                watch.bill(bill)
            if not bill.items:
                break
            if turn == 0:
                async with ws.stop.interruptible():
                    run = replace(run, budget=await approve_bill(bill) or run.budget)
            approved = await step(approve)(ws, run, bill)
            builder.count_bought(await buy_all(step(buy), ws, run, approved, watch))
            builder.loads.append(await step(load)(ws))
            if builder.stopped:
                break
    with builder.keeping_errors():
        builder.count_verified(await step(verify)(ws, list(builder.bought.values())))
        builder.published = await step(publish)(ws) if publishes else None
        await ws.in_thread(ws.check_in_place)
    return builder.outcome((*request.notes, *ws.clocks.notes()), interrupted=ws.stop.requested)
