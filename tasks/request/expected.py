"""Say what the deployment's schedules keep fresh, so that lateness of data can be judged by it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from payer.values.errors import Misconfigured
from sources import registry
from tasks.request.keys import keys_for
from tasks.request.model import BadRequest
from tasks.workspace.schedules import Schedule, read_schedules
from tasks.workspace.workspace import Workspace
from warehouse.publish.views.quality import Expected

if TYPE_CHECKING:
    from sources.model import Dataset

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
