"""The scheduled flow that rewrites a month's many snapshot files as one, without a reader noticing."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from tollbook.flows.deployed import PAUSE, RETRIES, in_workspace
from tollbook.tasks.load import compact as compact_snapshots
from tollbook.tasks.prefect_boundary import done
from tollbook.tasks.prefect_steps import as_task
from tollbook.tasks.workspace import Workspace


@flow(name="compact", persist_result=False, retries=RETRIES, retry_delay_seconds=PAUSE)
async def compact() -> State[Any]:
    """Same rows, same cost, fewer files. Buys nothing."""

    async def work(ws: Workspace) -> State[Any]:
        return done(await as_task(compact_snapshots, ws))

    return await in_workspace(work)
