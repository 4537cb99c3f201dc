"""Feeds: the datasets that each scheduled flow keeps fresh, and the slots it wants at a given time. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sources.model import Dataset, Feed, Kind
from sources.slots import slot

FEEDS = {
    "grades": Feed("grades", ("tm-grade",), repairs=True),
    "signals": Feed("signals", ("trading-signals", "hourly-trading-signals")),
    "moonshots": Feed("moonshots", ("moonshot-tokens", "moonshot-tokens-past")),
}


@dataclass(frozen=True, slots=True)
class WantedSlots:
    """Slots first…last of a dataset, both inclusive."""

    dataset: str
    first: int
    last: int


def wanted_slots(feed: Feed, at: datetime, find_dataset: Callable[[str], Dataset]) -> tuple[WantedSlots, ...]:
    """The slots that a run scheduled for `at` wants: each dataset's current slot and its lookback.

    Where the feed repairs, also the history twin of each snapshot. A snapshot's own past slots are wanted only for the
    report of lost cells: no plan buys them.
    """
    wanted: list[WantedSlots] = []
    for dataset in map(find_dataset, feed.datasets):
        current = slot(dataset, at)
        wanted.append(WantedSlots(dataset.name, current - _lookback(dataset), current))
        twin = find_dataset(dataset.repaired_by) if feed.repairs and dataset.repaired_by else None
        if twin and twin.kind is Kind.SERIES:
            wanted.append(WantedSlots(twin.name, current - _lookback(twin), current - 1))
    return tuple(wanted)


def _lookback(dataset: Dataset) -> int:
    """Slots before the newest in which a row may be missing, or may have changed since it was last seen."""
    return max(dataset.lookback, dataset.restated_for + dataset.look_again)
