"""The body that grades, signals and moonshots share: one ingestion run of a feed, with its steps as Prefect tasks."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from prefect.client.schemas.objects import State

from flows.ingest import ingest
from tasks.buy.bill import ApproveBill, Bill
from tasks.prefect.artifacts import bill_artifact, cost_artifact, purchases_artifact
from tasks.prefect.flow_run import left_to_later_run, prefect_run
from tasks.prefect.progress import ProgressArtifact
from tasks.prefect.steps import as_task
from tasks.prefect.verdict import Verdict, verdict
from tasks.prefect.worker import in_workspace
from tasks.reference.catalogue import resolve_keys
from tasks.request.build import budget_of, request_fresh
from tasks.request.model import DataRequest
from tasks.request.names import check_named, datasets_of
from tasks.workspace.run import Run
from tasks.workspace.workspace import Workspace


async def keep_fresh(name: str, max_cost: str | None, tokens: str | None) -> State[Any]:
    """Run a feed or dataset once, as of the time it was scheduled for; of late runs only the newest that is due."""
    if left := await left_to_later_run(datetime.now(UTC)):
        return left

    async def work(ws: Workspace) -> Verdict:
        run, at = prefect_run(ws, name, "manual")
        check_named(datasets_of([name]), tokens, ())
        keys = await resolve_keys(ws, tokens)
        request = await ws.in_thread(request_fresh, ws, name, reason=run.reason, at=at, keys=keys)
        run, at = prefect_run(ws, name, run.reason, budget=budget_of(ws, [name], max_cost))
        return await ingest_as_tasks(ws, request, run, show_bill)

    return await in_workspace(work)


async def ingest_as_tasks(ws: Workspace, request: DataRequest, run: Run, approve_bill: ApproveBill) -> Verdict:
    """Run `ingest` with its steps as Prefect tasks; its progress, purchases and costs become artifacts."""
    async with ProgressArtifact() as watch:
        outcome = await ingest(ws, request, run, step=as_task, watch=watch, approve_bill=approve_bill)
    await purchases_artifact(ws, outcome)
    await cost_artifact(ws)
    return verdict(outcome)


async def show_bill(bill: Bill) -> int | None:
    """Show the bill as an artifact and approve it: policy's caps and the flow's own maximum decide."""
    await bill_artifact(bill)
    return None
