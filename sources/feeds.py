"""What the scheduled flows keep fresh, and which slots of which datasets they want at one time. Pure."""

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
class Want:
    """Slots first…last of a dataset."""

    dataset: str
    first: int
    last: int


def wants(feed: Feed, at: datetime, dataset: Callable[[str], Dataset]) -> tuple[Want, ...]:
    """What a run scheduled for `at` wants: each dataset now, a series' gaps of the lookback, and for a snapshot's the
    series that repairs it. A snapshot's own past is wanted for the report alone: no plan buys it."""
    found: list[Want] = []
    for own in map(dataset, feed.datasets):
        here = slot(own, at)
        found.append(Want(own.name, here - own.lookback, here))
        past = dataset(own.repaired_by) if feed.repairs and own.repaired_by else None
        if past and past.kind is Kind.SERIES:
            found.append(Want(past.name, here - past.lookback, here - 1))
    return tuple(found)
