"""The scheduled flow that rewrites a month's many snapshot files as one, without a reader noticing."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows.deployed import PAUSE, RETRIES, in_workspace
from tasks.buy.load import compact as compact_snapshots
from tasks.prefect.artifacts import done
from tasks.prefect.steps import as_task
from tasks.workspace.workspace import Workspace


@flow(name="compact", persist_result=False, retries=RETRIES, retry_delay_seconds=PAUSE)
async def compact() -> State[Any]:
    """Same rows, same cost, fewer files. Buys nothing."""

    async def work(ws: Workspace) -> State[Any]:
        return done(await as_task(compact_snapshots, ws))

    return await in_workspace(work)
