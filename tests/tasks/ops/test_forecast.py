"""A forecast of the schedules' cost, against the same days run in a world of their own."""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from flows.ingest import ingest
from tasks.ops.forecast import forecast
from tasks.reference.catalogue import resolve_keys
from tasks.request.build import request_fresh
from tasks.request.schedules import Schedule, read_schedules
from tasks.workspace.run import new_run
from tasks.workspace.workspace import Workspace

if TYPE_CHECKING:
    from sandbox.world import World
    from tasks.ops.forecast import Forecast

DAYS = int(os.environ.get("FORECAST_DAYS", "1"))

PREFECT = """
deployments:
  - {name: daily, entrypoint: a.grades, parameters: {tokens: "3375,3306"}, schedules: [{cron: "15 6 * * *"}]}
  - name: twice
    entrypoint: a.signals
    parameters: {tokens: "3375"}
    schedules: [{cron: "30 0 * * *"}, {cron: "30 12 * * *", parameters: {tokens: "3375,SOL"}}]
"""


def schedules(tmp_path: Path) -> list[Schedule]:
    path = tmp_path / "prefect.yaml"
    path.write_text(PREFECT)
    return read_schedules(path)


async def lived(world: World, schedule: Schedule) -> tuple[str, int, int]:
    """One scheduled run, now: its cron line, paid calls, amount."""
    async with Workspace.open(world.buyer("lives").env) as ws:
        keys = await resolve_keys(ws, schedule.tokens)
        request = request_fresh(ws, schedule.flow, reason="schedule", at=ws.clock.now(), keys=keys)
        done = await ingest(ws, request, new_run(schedule.flow, "schedule", ws.clock.now()))
        assert done.exit_code == 0, done.problems
        return schedule.cron, done.calls_paid, done.amount_atomic


def foreseen(world: World, chosen: list[Schedule]) -> list[Forecast]:
    async def inside() -> list[Forecast]:
        async with Workspace.open(world.buyer("lives").env) as ws:
            return await forecast(ws, chosen, days=DAYS)

    return asyncio.run(inside())


def test_days_lived_through_cost_what_was_foreseen_to_the_unit(own_world: World, tmp_path: Path) -> None:
    """After a first round, which tells the prices. Each deployment asks for the tokens of its own parameters.

    It begins in the evening: a first round between midnight and a schedule's first time buys that day before it.
    """
    own_world.clock.set((own_world.clock.now() + timedelta(days=1)).replace(hour=21))
    chosen = schedules(tmp_path)
    for schedule in chosen:
        asyncio.run(lived(own_world, schedule))
    told = {each.schedule: (each.runs, each.calls, each.amount_atomic) for each in foreseen(own_world, chosen)}
    start = own_world.clock.now()
    runs = sorted((at, n) for n, s in enumerate(chosen) for at in s.times(start, start + timedelta(days=DAYS)))
    came = {schedule.cron: (0, 0, 0) for schedule in chosen}
    for at, number in runs:
        own_world.clock.set(at + timedelta(seconds=1))
        cron, calls, amount = asyncio.run(lived(own_world, chosen[number]))
        before = came[cron]
        came[cron] = (before[0] + 1, before[1] + calls, before[2] + amount)
    assert told == came
    assert all(calls > 0 for _, calls, _ in came.values())


def test_a_deployments_tokens_are_read_and_a_schedules_own_come_first(tmp_path: Path) -> None:
    assert [schedule.tokens for schedule in schedules(tmp_path)] == ["3375,3306", "3375", "3375,SOL"]
