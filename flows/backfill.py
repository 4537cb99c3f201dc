"""The on-demand flow that fills a past range, after a person's approval where the bill is above a threshold."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows.deployed import in_workspace
from flows.ingest import ingest
from tasks.prefect.approval import Approval
from tasks.prefect.artifacts import cost_artifact, verdict
from tasks.prefect.progress import Shown
from tasks.prefect.steps import as_task, prefect_run
from tasks.request.build import ask_range, budget_of, datasets_of, parse_range
from tasks.request.keys import check_named
from tasks.request.tokens import keys_named
from tasks.workspace.workspace import Workspace


@flow(name="backfill", persist_result=False)
async def backfill(
    dataset: str | list[str],
    first: str,
    last: str | None = None,
    tokens: str | None = None,
    keys: list[str] | None = None,
    max_cost: str | None = None,
    approve_above: str = "1.00",
    approval_seconds: int = 3600,
) -> State[Any]:
    """Buy what is missing of one dataset, or of several in one bill, from `first` to `last` (YYYY-MM-DD, inclusive).

    Without `last` it ends with the newest day whose rows no longer move. A bill above `approve_above` pauses the run
    for a word of a person, at most `approval_seconds`; it is bound to exactly this plan. Run it again after anything:
    only the rest is planned.
    """

    async def work(ws: Workspace) -> State[Any]:
        names = [dataset] if isinstance(dataset, str) else dataset
        start, end = parse_range(first, last)
        check_named(datasets_of(names), tokens, keys or ())
        ask = ask_range(ws, names, start, end, at=ws.clock.now(), keys=await keys_named(ws, tokens, keys or ()))
        budget = budget_of(ws, names, max_cost)
        run, _ = prefect_run(ws, ask.flow, ask.reason, budget=budget)
        threshold = budget_of(ws, names, approve_above)
        approval = Approval(threshold=threshold or 0, budget=budget, seconds=approval_seconds, clock=ws.clock)
        async with Shown() as watch:
            outcome = await ingest(ws, ask, run, call=as_task, watch=watch, agree=approval)
        await cost_artifact(ws)
        return verdict(outcome)

    return await in_workspace(work)
