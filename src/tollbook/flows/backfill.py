"""The on-demand flow that fills a past range, after a person's approval where the bill is above a threshold."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from tollbook.flows.deployed import in_workspace
from tollbook.flows.ingest import ingest
from tollbook.tasks.asks import ask_range, budget_of, parse_range, with_history
from tollbook.tasks.prefect_approval import Approval
from tollbook.tasks.prefect_boundary import cost_artifact, verdict
from tollbook.tasks.prefect_progress import Shown
from tollbook.tasks.prefect_steps import as_task, prefect_run
from tollbook.tasks.tokens import keys_named
from tollbook.tasks.workspace import Workspace


@flow(name="backfill", persist_result=False)
async def backfill(
    dataset: str,
    first: str,
    last: str,
    tokens: str | None = None,
    keys: str | None = None,
    max_cost: str | None = None,
    approve_above: str = "1.00",
    approval_seconds: int = 3600,
) -> State[Any]:
    """Buy what is missing of `dataset` from `first` to `last` (YYYY-MM-DD, inclusive).

    A bill above `approve_above` pauses the run for a person's word, at most `approval_seconds`; the word is bound to
    exactly this plan. Run it again after anything: only the rest is planned.
    """

    async def work(ws: Workspace) -> State[Any]:
        start, end = parse_range(first, last)
        with_history(dataset)
        chosen = await keys_named(ws, tokens, keys)
        ask = ask_range(ws, dataset, start, end, at=ws.clock.now(), keys=chosen)
        budget = budget_of(ws, [dataset], max_cost)
        run, _ = prefect_run(ws, ask.flow, ask.reason, budget=budget)
        threshold = budget_of(ws, [dataset], approve_above)
        approval = Approval(threshold=threshold or 0, budget=budget, seconds=approval_seconds, clock=ws.clock)
        async with Shown() as watch:
            outcome = await ingest(ws, ask, run, call=as_task, watch=watch, agree=approval)
        await cost_artifact(ws)
        return verdict(outcome)

    return await in_workspace(work)
