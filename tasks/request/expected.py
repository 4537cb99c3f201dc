"""What the deployment's schedules keep fresh, for judging whether the data is late."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from payer.values.errors import Misconfigured
from tasks.request.keys import keys_for
from tasks.request.requests import BadRequest
from tasks.workspace.schedules import Schedule, read_schedules
from tasks.workspace.workspace import Workspace

if TYPE_CHECKING:
    from sources.model import Dataset
    from warehouse.publish.views.quality import Expected

SCHEDULES = Path("prefect.yaml")
AROUND = timedelta(days=35)
"""Longer than a monthly schedule's pause: the next fire of any is among those said."""


def expected(ws: Workspace, path: Path = SCHEDULES) -> Expected | None:
    """Fires and keys of every scheduled flow that buys; None where no schedules can be read.

    What was said before then stays: lateness is judged by it, and a publication must not fail for a file that only
    deploying needs.
    """
    from warehouse.publish.views.quality import Expected

    try:
        schedules = read_schedules(path)
    except Misconfigured:
        return None
    bought = [(schedule, dataset) for schedule in schedules for dataset in _bought(ws, schedule)]
    now = ws.clock.now()
    fires = {(dataset.name, at) for schedule, dataset in bought for at in schedule.times(now - AROUND, now + AROUND)}
    return Expected(sorted(fires), sorted({(own.name, key) for _, own in bought for key in _keys(ws, own)}))


def _bought(ws: Workspace, schedule: Schedule) -> Iterator[Dataset]:
    from sources import registry
    from sources.feeds import FEEDS

    if schedule.active and schedule.flow in FEEDS:
        for name in FEEDS[schedule.flow].datasets:
            dataset = registry.dataset(name)
            if dataset.seller in ws.policy.sellers:
                yield dataset


def _keys(ws: Workspace, dataset: Dataset) -> tuple[str, ...]:
    try:
        return keys_for(ws, dataset)[0]
    except BadRequest:
        return ()
