"""The schedules of prefect.yaml, read without Prefect: they live in that file only, and say what is kept fresh.

Lateness of data is judged by them.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from payer.values.errors import Misconfigured
from sources import registry
from sources.model import Dataset
from tasks.request.model import BadRequest
from tasks.request.names import keys_for
from tasks.workspace.workspace import Workspace
from warehouse.publish.views.quality import Expected


@dataclass(frozen=True, slots=True)
class Schedule:
    """One cron schedule of a deployment. `flow` is the last name of its entrypoint; `tokens` its deployment's
    parameter, None for the policy's watch list."""

    flow: str
    deployment: str
    slug: str
    cron: str
    timezone: str
    active: bool = True
    tokens: str | None = None

    def times(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """Yield every time it fires after `start` and up to `end`, in UTC."""
        from cronsim import CronSim

        for when in CronSim(self.cron, start.astimezone(ZoneInfo(self.timezone))):
            if when > end:
                return
            yield when.astimezone(UTC)


def read_schedules(path: Path) -> list[Schedule]:
    """Return all cron schedules of the file. Raises Misconfigured when it can't be read or one is not a cron line."""
    import msgspec
    from cronsim import CronSim, CronSimError

    try:
        document = msgspec.yaml.decode(path.read_bytes().removeprefix(codecs.BOM_UTF8))
        schedules = [schedule for deployment in document["deployments"] for schedule in _of(deployment)]
        for schedule in schedules:
            CronSim(schedule.cron, datetime.now(UTC))
    except OSError as error:
        raise Misconfigured(
            f"{path} can't be read: {error.strerror}",
            advice="run this where prefect.yaml is, or name it with --schedules",
        ) from None
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError, CronSimError) as error:
        raise Misconfigured(
            f"{path} has no schedules to read: {type(error).__name__} {error}", advice="correct the file"
        ) from None
    return schedules


def _of(deployment: dict[str, Any]) -> Iterator[Schedule]:
    schedules = deployment.get("schedules") or []
    for schedule in schedules:
        parameters = {**(deployment.get("parameters") or {}), **(schedule.get("parameters") or {})}
        tokens = parameters.get("tokens")
        yield Schedule(
            flow=str(deployment["entrypoint"]).replace(":", ".").rpartition(".")[2],
            deployment=str(deployment["name"]),
            slug=str(schedule.get("slug", "")),
            cron=str(schedule["cron"]),
            timezone=str(schedule.get("timezone") or "UTC"),
            active=bool(schedule.get("active", True)),
            tokens=None if tokens is None else str(tokens),
        )


SCHEDULES = Path("prefect.yaml")
AROUND = timedelta(days=35)
"""Longer than a monthly schedule's pause, so that the next fire of any schedule is included."""


def expected(ws: Workspace, path: Path = SCHEDULES) -> Expected | None:
    """Return fires and keys of every scheduled flow that buys; None where no schedules can be read.

    None keeps what an earlier publication was told: a publication must not fail for a file that only deploying needs.
    """
    try:
        schedules = read_schedules(path)
    except Misconfigured:
        return None
    bought = [(schedule, list(_bought(ws, schedule))) for schedule in schedules]
    now = ws.clock.now()
    fires: set[tuple[str, datetime]] = set()
    for schedule, datasets in bought:
        times = list(schedule.times(now - AROUND, now + AROUND)) if datasets else []
        fires.update((dataset.name, at) for dataset in datasets for at in times)
    keys = {(dataset.name, key) for _, datasets in bought for dataset in datasets for key in _keys(ws, dataset)}
    return Expected(sorted(fires), sorted(keys))


def _bought(ws: Workspace, schedule: Schedule) -> Iterator[Dataset]:
    if schedule.active and schedule.flow in registry.feeds():
        for name in registry.feeds()[schedule.flow].datasets:
            dataset = registry.dataset(name)
            if dataset.seller in ws.policy.sellers:
                yield dataset


def _keys(ws: Workspace, dataset: Dataset) -> tuple[str, ...]:
    try:
        return keys_for(ws, dataset)[0]
    except BadRequest:
        return ()
