"""The scheduled flow that looks for what may need a person, and raises an event and a notification for each change."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from tasks.health.notify import report_health
from tasks.prefect.flow_run import run_name
from tasks.prefect.health_events import emit_changes, health_artifact, health_verdict
from tasks.prefect.verdict import Verdict
from tasks.prefect.worker import in_workspace
from tasks.workspace.workspace import Workspace


@flow(name="health", flow_run_name=run_name, persist_result=False)
async def health() -> State[Any]:
    """Check money, data and set-up. Fails while a finding is critical; each change is an event, told once."""

    async def work(ws: Workspace) -> Verdict:
        report = await report_health(ws)
        emit_changes(report)
        await health_artifact(report)
        return health_verdict(report)

    return await in_workspace(work)
