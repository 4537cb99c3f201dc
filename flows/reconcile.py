"""The scheduled flow that closes the books: ledger against chain, to the unit."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows.deployed import PAUSE, RETRIES, in_workspace
from flows.recovering import recover_all
from tasks.ops.reconcile import reconcile_all
from tasks.prefect.artifacts import books_artifact, books_verdict
from tasks.prefect.steps import as_task
from tasks.workspace.workspace import Workspace


@flow(name="reconcile", persist_result=False, retries=RETRIES, retry_delay_seconds=PAUSE)
async def reconcile() -> State[Any]:
    """Finish open purchases of every flow, then compare ledger, chain and bodies. Fails on a difference."""

    async def work(ws: Workspace) -> State[Any]:
        await recover_all(ws, call=as_task)
        books = await as_task(reconcile_all, ws)
        await books_artifact(books)
        return books_verdict(books)

    return await in_workspace(work)
