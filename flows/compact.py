"""The scheduled flow that rewrites a month's many snapshot files as one. Readers notice nothing."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from tasks.prefect.flow_run import run_name
from tasks.prefect.steps import compact_task
from tasks.prefect.verdict import Verdict, done
from tasks.prefect.worker import PAUSE, RETRIES, in_workspace
from tasks.workspace.workspace import Workspace


@flow(name="compact", flow_run_name=run_name, persist_result=False, retries=RETRIES, retry_delay_seconds=PAUSE)
async def compact() -> State[Any]:
    """Compact the snapshot files: same rows, same cost, fewer files. Buys nothing."""

    async def work(ws: Workspace) -> Verdict:
        return done(await compact_task(ws))

    return await in_workspace(work)
