"""The scheduled flow that reconciles the ledger with the chain, to the last atomic unit."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from tasks.ops.recovery import recover_all
from tasks.prefect.artifacts import books_artifact
from tasks.prefect.flow_run import run_name
from tasks.prefect.steps import as_task, reconcile_task
from tasks.prefect.verdict import Verdict, books_verdict
from tasks.prefect.worker import PAUSE, RETRIES, in_workspace
from tasks.workspace.workspace import Workspace


@flow(name="reconcile", flow_run_name=run_name, persist_result=False, retries=RETRIES, retry_delay_seconds=PAUSE)
async def reconcile() -> State[Any]:
    """Finish open purchases of every flow, then compare ledger, chain and bodies. Fails on a difference."""

    async def work(ws: Workspace) -> Verdict:
        await recover_all(ws, step=as_task)
        async with ws.stop.interruptible():
            books = await reconcile_task(ws)
        await books_artifact(books)
        return books_verdict(books)

    return await in_workspace(work)
