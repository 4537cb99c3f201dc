"""Time as whole slots, the edition that a request is bought in, and the slots that a feed wants. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime

from sources.model import DAY, HOUR, Dataset, Feed, Kind

FINAL = "final"
"""The edition of closed windows: bought once, at any time."""


def unix(when: datetime) -> int:
    """Whole seconds since 1970. Raises ValueError for a datetime without a time zone."""
    if when.tzinfo is None:
        raise ValueError(f"a time needs a time zone (UTC): {when!r}")
    return int(when.timestamp() // 1)


def slot(dataset: Dataset, when: datetime) -> int:
    """The number of the slot that `when` lies in; also its freshness bucket."""
    return unix(when) // dataset.grain


def start_of(dataset: Dataset, number: int) -> datetime:
    return datetime.fromtimestamp(number * dataset.grain, UTC)


def span_text(dataset: Dataset, first: int, last: int) -> str:
    """The days of slots first…last for people, with an hour that is not midnight: `2026-11-22 to 2026-11-25 06:00`."""
    begin, end = (f"{start_of(dataset, edge):%Y-%m-%d %H:%M}".removesuffix(" 00:00") for edge in (first, last))
    return begin if begin == end else f"{begin} to {end}"


def earliest(dataset: Dataset) -> int:
    """The first slot that is sold; 0 where that is not declared."""
    return (dataset.since.day - date(1970, 1, 1)).days * DAY // dataset.grain if dataset.since else 0


def is_listing(dataset: Dataset) -> bool:
    """True for a series that is asked for without dates: it answers with its newest rows, older ones on further pages.
    Its answer reaches to the moment that it is given, whichever slot was wanted."""
    return dataset.kind is Kind.SERIES and dataset.window is None


def slots_per_step(dataset: Dataset) -> int:
    """Slots that one date of a window spans: 24 for hourly rows that are asked for by the day."""
    return max(1, DAY // dataset.grain) if dataset.window else 1


def last_settled(dataset: Dataset, when: datetime) -> int:
    """The newest slot whose row has settled when observed at `when`."""
    return (unix(when) - dataset.settle) // dataset.grain - 1


def last_closed(dataset: Dataset, when: datetime) -> int:
    """The newest slot whose row, and whose absence of one, has settled at `when`."""
    return (unix(when) - max(dataset.settle, dataset.patience)) // dataset.grain - 1


def final_until(dataset: Dataset, at: datetime) -> int:
    """The newest slot that a run scheduled for `at` buys as `final`; -1 where the dataset has no closed windows.

    Computed for the start of the bucket of `at`, so that a second run in the same bucket buys the same edition. A slot
    that may still be restated is not closed.
    """
    if dataset.kind is not Kind.SERIES or not dataset.window:
        return -1
    current = slot(dataset, at)
    return min(last_closed(dataset, start_of(dataset, current)), current - dataset.restated_for - 1)


def edition(dataset: Dataset, first: int, last: int, at: datetime) -> str:
    """The edition of slots first…last: `final` for a closed window, else the bucket of the scheduled time `at`.

    Raises ValueError where `first` is after `last`.
    """
    if first > last:
        raise ValueError(f"the first slot is after the last: {first} > {last}")
    return FINAL if last <= final_until(dataset, at) else bucket_name(dataset, start_of(dataset, slot(dataset, at)))


def bucket_name(dataset: Dataset, start: datetime) -> str:
    """The name of a freshness bucket: `day:2026-11-22`, `hour:2026-11-22T13`, `6h:2026-11-22T12`, `7d:2026-11-19`."""
    if dataset.grain % DAY == 0:
        days = dataset.grain // DAY
        return f"{'day' if days == 1 else f'{days}d'}:{start:%Y-%m-%d}"
    hours = dataset.grain // HOUR
    return f"{'hour' if hours == 1 else f'{hours}h'}:{start:%Y-%m-%dT%H}"


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
