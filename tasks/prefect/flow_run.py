"""Read the running Prefect flow run: its id, its deployment, the time it was scheduled for, and runs due after it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any

from prefect import get_run_logger
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun as PrefectRun
from prefect.client.schemas.objects import State, StateType
from prefect.context import FlowRunContext
from prefect.exceptions import MissingContextError
from prefect.states import Completed

from payer.values.request import Run
from tasks.workspace.run import new_run
from tasks.workspace.workspace import Workspace

LATE = timedelta(minutes=10)
"""A run that begins sooner after its time is not late, so that schedules denser than a run takes still run."""

DUE = (StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING)
"""States of a run that is to begin, or has begun and not ended."""

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


async def left_to_later_run(now: datetime) -> State[Any] | None:
    """Return the state of a late run whose work a later one does, None for a run that has to do its own.

    A server that can't be asked makes no run leave its work: two that buy the same pay once.
    """
    context = flow_run_context()
    run = context.flow_run if context is not None else None
    if run is None or not may_be_left(run, now):
        return None
    try:
        async with asyncio.timeout(SERVER_SECONDS):
            later = newest_of(run, await _due_after(run, now))
    except Exception as error:  # noqa: BLE001 - whatever the server or the network says
        get_run_logger().warning("this run is late, and whether a later one is due is unknown (%s): it goes on", error)
        return None
    if later is None:
        return None
    times = f"{run.expected_start_time:%Y-%m-%d %H:%M} UTC", f"{later.expected_start_time:%Y-%m-%d %H:%M} UTC"
    return Completed(message=f"late since {times[0]}; the run of {times[1]}, which is due too, buys what both would")


def may_be_left(run: PrefectRun, now: datetime) -> bool:
    """True for a scheduled run of a deployment that begins late."""
    at = run.expected_start_time
    return bool(run.auto_scheduled and run.deployment_id and at is not None and now - at >= LATE)


def newest_of(run: PrefectRun, others: Iterable[PrefectRun]) -> PrefectRun | None:
    """Return the newest scheduled run after this one with the same parameters. Pure."""
    at = run.expected_start_time
    later = [
        (each.expected_start_time, each)
        for each in others
        if each.auto_scheduled and each.id != run.id and each.parameters == run.parameters
        if at is not None and each.expected_start_time is not None and each.expected_start_time > at
    ]
    return max(later, key=itemgetter(0))[1] if later else None


async def _due_after(run: PrefectRun, now: datetime) -> list[PrefectRun]:
    assert run.deployment_id is not None, "may_be_left"
    times = FlowRunFilterExpectedStartTime.model_validate({"after_": run.expected_start_time, "before_": now})
    wanted = FlowRunFilter(
        deployment_id=FlowRunFilterDeploymentId(any_=[run.deployment_id]),
        expected_start_time=times,
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(DUE))),
    )
    async with get_client() as client:
        return await client.read_flow_runs(flow_run_filter=wanted, limit=100)
