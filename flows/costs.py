"""The scheduled flow that shows what was spent: a markdown artifact each by flow, dataset and month, and a page."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from tasks.ops.status import money_trouble
from tasks.prefect.artifacts import cost_artifact
from tasks.prefect.flow_run import run_name
from tasks.prefect.verdict import Verdict, done
from tasks.prefect.worker import in_workspace
from tasks.report.write import publish_report
from tasks.workspace.workspace import Workspace

VIEWS = ("flow", "dataset", "month")


@flow(name="costs", flow_run_name=run_name, persist_result=False)
async def costs() -> State[Any]:
    """Write the cost tables as artifacts, and the report as published/report/index.html. Pays nothing."""

    async def work(ws: Workspace) -> Verdict:
        for by in VIEWS:
            await cost_artifact(ws, by)
        trouble = await ws.in_thread(money_trouble, ws)
        shown = f"costs by {', '.join(VIEWS)}; {await publish_report(ws)}"
        return done(f"{trouble}; {shown}" if trouble else shown)

    return await in_workspace(work)
