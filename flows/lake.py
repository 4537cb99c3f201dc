"""The flow that writes what is published to a DuckLake catalog. Buys nothing."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from tasks.prefect.flow_run import run_name
from tasks.prefect.steps import lake_task
from tasks.prefect.verdict import Verdict, done
from tasks.prefect.worker import PAUSE, RETRIES, in_workspace
from tasks.workspace.workspace import Workspace


@flow(name="lake", flow_run_name=run_name, persist_result=False, retries=RETRIES, retry_delay_seconds=PAUSE)
async def lake() -> State[Any]:
    """Write the newest publication to the lake that TOLLBOOK_LAKE names, and tidy the lake."""

    async def work(ws: Workspace) -> Verdict:
        return done((await lake_task(ws, tidy=True)).text)

    return await in_workspace(work)
