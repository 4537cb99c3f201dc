"""What the scheduled flows keep fresh, and which slots of which datasets they want at one time. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from tollbook.sources.model import Dataset, Feed, Kind
from tollbook.sources.slots import slot

FEEDS = {
    "grades": Feed("grades", ("tm-grade",), {"tm-grade": 28}),
    "signals": Feed(
        "signals", ("trading-signals", "hourly-trading-signals"), {"trading-signals": 28, "hourly-trading-signals": 24}
    ),
    "moonshots": Feed("moonshots", ("moonshot-tokens", "moonshot-tokens-past")),
}
"""A lookback of 28 slots and today make 29 days: one window."""


@dataclass(frozen=True, slots=True)
class Want:
    """Slots first…last of a dataset. What the datasets in `held_by` hold counts as held, too: a day that a snapshot
    has seen needs no history."""

    dataset: str
    first: int
    last: int
    held_by: tuple[str, ...] = ()


def wants(feed: Feed, at: datetime, dataset: Callable[[str], Dataset]) -> tuple[Want, ...]:
    """What a run scheduled for `at` wants: each dataset now, its gaps of the lookback, and for a snapshot's gaps
    the history that repairs it."""
    found: list[Want] = []
    for name in feed.datasets:
        own = dataset(name)
        here, back = slot(own, at), feed.lookback.get(name, 0)
        if own.kind is Kind.SERIES:
            found.append(Want(name, here - back, here))
            continue
        found.append(Want(name, here, here))
        if back and own.repaired_by:
            found.append(Want(own.repaired_by, here - back, here - 1, (name,)))
    return tuple(found)
