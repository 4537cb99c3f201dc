"""Read the running Prefect flow run: its id, deployment and name, the time it was scheduled for, and runs
due after it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any

from prefect import get_run_logger
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import FlowRun as PrefectRun
from prefect.client.schemas.objects import State, StateType
from prefect.context import FlowRunContext
from prefect.exceptions import MissingContextError
from prefect.states import Completed

from payer.values.request import Run
from sources import registry
from sources.model import DAY
from sources.slots import slot, start_of
from tasks.workspace.run import new_run
from tasks.workspace.workspace import Workspace

LATE = timedelta(minutes=10)
"""A run that begins sooner after its time is not late, so that schedules denser than a run takes still run."""

DUE = (StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING)
"""States of a run that is to begin, or has begun and not ended."""

SERVER_SECONDS = 5.0
"""Time in which Prefect's server answers what a run could do without, or counts as gone."""


def flow_run_context() -> FlowRunContext | None:
    """Return Prefect's context of the running flow run, None outside of a flow."""
    try:
        return FlowRunContext.get()
    except MissingContextError:
        return None


def flow_run() -> PrefectRun | None:
    """Return the running flow run, None outside of a flow. Its times are real, without a sandbox's offset."""
    context = flow_run_context()
    return context.flow_run if context is not None else None


async def give_up_retries() -> None:
    """Make the running flow run's next failed state its last. Outside of a flow nothing happens.

    Prefect has a condition for a task's retries, and none for a flow's. A server that can't be told repeats the run,
    which is safe and only takes time.
    """
    run = flow_run()
    if run is None:
        return
    run.empirical_policy.retries = 0
    try:
        async with asyncio.timeout(SERVER_SECONDS), get_client() as client:
            await client.update_flow_run(run.id, empirical_policy=run.empirical_policy)
    except Exception as error:  # noqa: BLE001 - the run's own failure is what a person must see
        get_run_logger().warning("the server repeats this run in vain: it can't be told not to (%s)", error)


def prefect_run(ws: Workspace, flow: str, reason: str, *, budget: int | None = None) -> tuple[Run, datetime]:
    """Return the run to book purchases under, and the scheduled time that editions come from (never now())."""
    outer, now = flow_run(), ws.clock.now()
    if outer is None:
        return new_run(flow, reason, now, budget=budget), now
    reason = "schedule" if outer.auto_scheduled else reason
    deployment = str(outer.deployment_id) if outer.deployment_id else None
    run = new_run(flow, reason, now, budget=budget, deployment=deployment, flow_run_id=str(outer.id))
    planned = outer.expected_start_time
    return run, now if planned is None else min(now, planned + timedelta(seconds=ws.settings.clock_offset))


async def left_to_later_run(now: datetime) -> State[Any] | None:
    """Return the state of a late run whose work a later one does, None for a run that has to do its own.

    A server that can't be asked makes no run leave its work: two that buy the same pay once.
    """
    run = flow_run()
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
    wanted = {
        "deployment_id": {"any_": [run.deployment_id]},
        "expected_start_time": {"after_": run.expected_start_time, "before_": now},
        "state": {"type": {"any_": list(DUE)}},
    }
    async with get_client() as client:
        return await client.read_flow_runs(flow_run_filter=FlowRunFilter.model_validate(wanted), limit=100)


BACKFILL = "backfill"
SEVERAL_A_DAY = frozenset({"health", "publish"})
"""Flows of no dataset that run several times a day."""
MOST_NAMES = 2
"""Datasets that a backfill's name lists; more are counted."""


def run_name() -> str:
    """Name the running flow run. Prefect calls it before the flow's body; at a second attempt the name is the same."""
    context = flow_run_context()
    if context is None or context.flow is None:
        return "run"
    name, parameters = context.flow.name, context.parameters or {}
    scheduled_for = context.flow_run.expected_start_time if context.flow_run else None
    at = (scheduled_for or datetime.now(UTC)) + _sandbox_offset()
    return range_name(parameters) if name == BACKFILL else edition_name(name, at)


def edition_name(flow: str, at: datetime) -> str:
    """Return `grades 2026-11-29`; with the hour in which its shortest edition begins where that is less than a day."""
    feed = registry.feeds().get(flow)
    if feed is None:
        return f"{flow} {at:%Y-%m-%d %H:%M}" if flow in SEVERAL_A_DAY else f"{flow} {at:%Y-%m-%d}"
    shortest = min(map(registry.dataset, feed.datasets), key=lambda dataset: dataset.grain)
    start = start_of(shortest, slot(shortest, at))
    return f"{flow} {start:%Y-%m-%d}" if shortest.grain % DAY == 0 else f"{flow} {start:%Y-%m-%d %H:%M}"


def range_name(parameters: Mapping[str, Any]) -> str:
    """Return `backfill grades, signals 2026-10-01 to 2026-10-31`."""
    asked = parameters.get("dataset") or ()
    names = [asked] if isinstance(asked, str) else [str(each) for each in asked]
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    first, last = parameters.get("first"), parameters.get("last")
    days = f"{first} to {last}" if last else f"since {first}"
    again = " again" if parameters.get("again") else ""
    return f"{BACKFILL} {', '.join(names[:MOST_NAMES])}{more} {days}{again}"


def _sandbox_offset() -> timedelta:
    """The sandbox's clock; what is no number is refused by the run itself, with a sentence."""
    with suppress(ValueError, OverflowError):
        return timedelta(seconds=float(os.environ.get("TOLLBOOK_CLOCK_OFFSET") or 0))
    return timedelta()
