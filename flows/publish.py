"""The flow that publishes what any worker bought, when no run does: on demand, or on a schedule of many workers."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from tasks.prefect.flow_run import run_name
from tasks.prefect.steps import publish_all_task
from tasks.prefect.verdict import Verdict, done
from tasks.prefect.worker import PAUSE, RETRIES, in_workspace
from tasks.workspace.workspace import Workspace


@flow(name="publish", flow_run_name=run_name, persist_result=False, retries=RETRIES, retry_delay_seconds=PAUSE)
async def publish() -> State[Any]:
    """Load and publish everything that the ledger has and readers don't see yet. Buys nothing."""

    async def work(ws: Workspace) -> Verdict:
        return done((await publish_all_task(ws)).text)

    return await in_workspace(work)
