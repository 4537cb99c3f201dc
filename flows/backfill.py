"""The on-demand flow that fills a past range, after operator approval where the bill is above a threshold."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows.keep_fresh import ingest_as_tasks
from tasks.prefect import parameters
from tasks.prefect.approval import PausingApproval
from tasks.prefect.flow_run import prefect_run, run_name
from tasks.prefect.verdict import Verdict
from tasks.prefect.worker import in_workspace
from tasks.reference.catalogue import backfill_request
from tasks.request.build import budget_of
from tasks.workspace.workspace import Workspace


@flow(name="backfill", flow_run_name=run_name, persist_result=False)
async def backfill(
    dataset: parameters.Datasets,
    first: parameters.FirstDay,
    last: parameters.LastDay = None,
    tokens: parameters.Tokens = None,
    keys: parameters.Keys = None,
    max_cost: parameters.MaxCost = None,
    approve_above: parameters.ApproveAbove = "1.00",
    approval_seconds: parameters.ApprovalSeconds = 3600,
    again: parameters.Again = False,
) -> State[Any]:
    """Buy what is missing of one dataset, or of several in one bill, from `first` to `last` (YYYY-MM-DD, inclusive).

    Without `last` it ends with the newest settled day. A bill above `approve_above` pauses the run for operator
    approval, at most `approval_seconds`; the approval is bound to exactly this plan. Run it again after anything: only
    the rest is planned. `again` buys all of the range once more, held or not; that always needs approval.
    """

    async def work(ws: Workspace) -> Verdict:
        names = [dataset] if isinstance(dataset, str) else dataset
        request = await backfill_request(ws, names, first, last, tokens, keys or (), again=again)
        budget = budget_of(ws, names, max_cost)
        run, _ = prefect_run(ws, request.flow, request.reason, budget=budget)
        threshold = budget_of(ws, names, approve_above)
        threshold = 0 if again else threshold or 0
        approval = PausingApproval(threshold=threshold, budget=budget, seconds=approval_seconds, clock=ws.clock)
        return await ingest_as_tasks(ws, request, run, approval)

    return await in_workspace(work)
