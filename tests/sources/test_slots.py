"""Slots and editions: the same request gets the same edition, whenever it is made in its bucket."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from sources import registry
from sources.model import DAY, HOUR, WEEK
from sources.slots import bucket_name, edition, last_closed, last_settled, slot, start_of

SIGNALS = registry.dataset("trading-signals")
AT = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("grain", "name"),
    [
        (HOUR, "hour:2026-11-22T09"),
        (6 * HOUR, "6h:2026-11-22T06"),
        (DAY, "day:2026-11-22"),
        (WEEK, "7d:2026-11-19"),
    ],
)
def test_a_bucket_is_named_by_its_length_and_beginning(grain: int, name: str) -> None:
    dataset = replace(SIGNALS, grain=grain)
    assert bucket_name(dataset, start_of(dataset, slot(dataset, AT))) == name


def test_a_time_without_a_zone_has_no_slot() -> None:
    with pytest.raises(ValueError, match="needs a time zone"):
        slot(SIGNALS, datetime(2026, 11, 22))  # noqa: DTZ001


def test_a_reversed_range_has_no_edition() -> None:
    with pytest.raises(ValueError, match="the first slot is after the last"):
        edition(SIGNALS, 5, 4, AT)


def test_a_row_settles_a_stated_time_after_its_slot_ends() -> None:
    today = slot(SIGNALS, AT)
    midnight = start_of(SIGNALS, today)
    almost = midnight + timedelta(seconds=SIGNALS.settle - 1)
    assert last_settled(SIGNALS, almost) == today - 2
    assert last_settled(SIGNALS, almost + timedelta(seconds=1)) == today - 1


def test_an_absence_is_believed_later_than_a_row() -> None:
    assert last_closed(SIGNALS, AT) < last_settled(SIGNALS, AT)


def test_a_closed_window_is_final_and_a_moving_one_belongs_to_its_bucket() -> None:
    today = slot(SIGNALS, AT)
    assert edition(SIGNALS, today - 40, today - 20, AT) == "final"
    assert edition(SIGNALS, today - 40, today, AT) == "day:2026-11-22"


@pytest.mark.parametrize("hour", range(24))
def test_every_hour_of_a_bucket_gives_the_same_edition(hour: int) -> None:
    """A schedule that fires twice or late buys once: settling may not split a bucket."""
    at = datetime(2026, 11, 22, hour, 59, tzinfo=UTC)
    today = slot(SIGNALS, at)
    names = [edition(SIGNALS, today - back, today - back, at) for back in range(6)]
    assert names == ["day:2026-11-22"] * 3 + ["final"] * 3


def test_a_snapshot_is_never_final() -> None:
    grade = registry.dataset("tm-grade")
    assert edition(grade, 0, 0, AT) == "day:2026-11-22"


def test_a_listing_without_dates_is_never_final() -> None:
    hourly = registry.dataset("hourly-trading-signals")
    assert edition(hourly, 0, 10, AT) == "hour:2026-11-22T09"
