"""Names of flow runs: the flow, and the edition or the range that it is for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from sources import registry
from sources.model import DAY
from sources.slots import slot, start_of
from tasks.prefect.flow_run import flow_run, flow_run_context

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
    at = (flow_run().scheduled_for or datetime.now(UTC)) + _sandbox_offset()
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
