"""Read the running Prefect flow run: its id, its deployment, and the time it was scheduled for."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

from prefect import get_run_logger
from prefect.client.orchestration import get_client
from prefect.context import FlowRunContext
from prefect.exceptions import MissingContextError

from payer.values.request import Run
from tasks.workspace.run import new_run
from tasks.workspace.workspace import Workspace

SERVER_SECONDS = 5.0
"""Time in which Prefect's server answers what a run could do without, or counts as gone."""


@dataclass(frozen=True)
class FlowRun:
    """The parts of a Prefect flow run that a run needs. `scheduled_for` is real time, without a sandbox's offset."""

    flow_run_id: str | None = None
    deployment: str | None = None
    scheduled_for: datetime | None = None
    by_schedule: bool = False


def flow_run_context() -> FlowRunContext | None:
    """Return Prefect's context of the running flow run, None outside of a flow."""
    try:
        return FlowRunContext.get()
    except MissingContextError:
        return None


def flow_run() -> FlowRun:
    """Return the running flow run; an empty one outside of a flow."""
    context = flow_run_context()
    if context is None or context.flow_run is None:
        return FlowRun()
    run = context.flow_run
    return FlowRun(
        flow_run_id=str(run.id),
        deployment=str(run.deployment_id) if run.deployment_id else None,
        scheduled_for=run.expected_start_time,
        by_schedule=bool(run.auto_scheduled),
    )


async def give_up_retries() -> None:
    """Make the running flow run's next failed state its last. Outside of a flow nothing happens.

    Prefect has a condition for a task's retries, and none for a flow's. A server that can't be told repeats the run,
    which is safe and only takes time.
    """
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return
    policy = context.flow_run.empirical_policy
    policy.retries = 0
    try:
        async with asyncio.timeout(SERVER_SECONDS), get_client() as client:
            await client.update_flow_run(context.flow_run.id, empirical_policy=policy)
    except Exception as error:  # noqa: BLE001 - the run's own failure is what a person must see
        get_run_logger().warning("the server repeats this run in vain: it can't be told not to (%s)", error)


def prefect_run(ws: Workspace, flow: str, reason: str, *, budget: int | None = None) -> tuple[Run, datetime]:
    """Return the run to book purchases under, and the scheduled time that editions come from (never now())."""
    outer = flow_run()
    at = ws.clock.now()
    if outer.scheduled_for is not None:
        at = min(at, outer.scheduled_for + timedelta(seconds=ws.settings.clock_offset))
    run = new_run(
        flow,
        "schedule" if outer.by_schedule else reason,
        ws.clock.now(),
        budget=budget,
        deployment=outer.deployment,
        flow_run_id=outer.flow_run_id,
    )
    return run, at
