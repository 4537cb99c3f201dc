"""Time as whole slots, and the edition a request is bought in. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime

from sources.model import DAY, HOUR, Dataset, Kind

FINAL = "final"
"""The edition of closed windows: bought once, whenever."""


def unix(when: datetime) -> int:
    """Whole seconds; a naive datetime has no place here."""
    if when.tzinfo is None:
        raise ValueError(f"times are aware UTC: {when!r}")
    return int(when.timestamp() // 1)


def slot(dataset: Dataset, when: datetime) -> int:
    """The slot that `when` falls in; also the number of the freshness bucket."""
    return unix(when) // dataset.grain


def start_of(dataset: Dataset, number: int) -> datetime:
    """When a slot begins."""
    return datetime.fromtimestamp(number * dataset.grain, UTC)


def earliest(dataset: Dataset) -> int:
    """The first slot that can have a row."""
    return (dataset.since.day - date(1970, 1, 1)).days * DAY // dataset.grain if dataset.since else 0


def slots_per_step(dataset: Dataset) -> int:
    """How many slots one step of a window's dates spans: 24 for hourly rows asked for by day."""
    return max(1, DAY // dataset.grain) if dataset.window else 1


def last_settled(dataset: Dataset, when: datetime) -> int:
    """The newest slot whose row, observed at `when`, will not move."""
    return (unix(when) - dataset.settle) // dataset.grain - 1


def last_closed(dataset: Dataset, when: datetime) -> int:
    """The newest slot of which neither row nor absence will change after `when`."""
    return (unix(when) - max(dataset.settle, dataset.patience)) // dataset.grain - 1


def final_until(dataset: Dataset, at: datetime) -> int:
    """The newest slot of a window bought as final by a run scheduled for `at`; -1 where nothing ever is.

    Judged at the bucket's start, so that a run repeated later in the same bucket asks for the same edition.
    """
    if dataset.kind is not Kind.SERIES or not dataset.window:
        return -1
    return last_closed(dataset, start_of(dataset, slot(dataset, at)))


def edition(dataset: Dataset, first: int, last: int, at: datetime) -> str:
    """Which freshness a request is for: "final" for a closed window, else the bucket of the scheduled time `at`."""
    if first > last:
        raise ValueError(f"slots run from first to last: {first} > {last}")
    return FINAL if last <= final_until(dataset, at) else bucket_name(dataset, start_of(dataset, slot(dataset, at)))


def bucket_name(dataset: Dataset, start: datetime) -> str:
    """`day:2026-11-22`, `hour:2026-11-22T13`, `6h:2026-11-22T12`, `7d:2026-11-19`."""
    if dataset.grain % DAY == 0:
        days = dataset.grain // DAY
        return f"{'day' if days == 1 else f'{days}d'}:{start:%Y-%m-%d}"
    hours = dataset.grain // HOUR
    return f"{'hour' if hours == 1 else f'{hours}h'}:{start:%Y-%m-%dT%H}"
