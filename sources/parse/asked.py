"""Rows outside what a request asked for: of other keys or days, or of a time that had not come. Nothing is taken on
trust."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sources.model import DAY, EVERYTHING, Dataset, Dates
from sources.slots import unix

if TYPE_CHECKING:
    import pyarrow as pa

AHEAD = 2 * DAY
"""Seconds by which a row may be dated after it was received: calendars of other zones, clocks that differ."""


def outside(dataset: Dataset, context: Mapping[str, Any], received_at: datetime, table: pa.Table) -> dict[int, str]:
    """Map the number of each row that was not asked for to the reason. Values that are null are not judged here.

    `context` is the purchase's; one that doesn't say what was asked judges nothing.
    """
    if not {"keys", "first", "last"} <= context.keys():
        return {}
    reasons = _other_keys(dataset, [str(key) for key in context["keys"]], table)
    return {**_other_times(dataset, context["first"], context["last"], received_at, table), **reasons}


def _other_keys(dataset: Dataset, keys: list[str], table: pa.Table) -> dict[int, str]:
    if not dataset.key_column or not keys or EVERYTHING in keys:
        return {}
    asked, values = set(keys), table[dataset.key_column].to_pylist()
    if {str(value) for value in set(values)} <= asked:
        return {}
    return {
        number: f"{dataset.key_column}: {value!r} was not asked for"
        for number, value in enumerate(values)
        if value is not None and str(value) not in asked
    }


def _other_times(dataset: Dataset, first: int, last: int, received_at: datetime, table: pa.Table) -> dict[int, str]:
    """A window is judged as the request wrote it: by whole UTC days, or to the second. Events (any number of rows in a
    cell) may lie ahead."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if dataset.undated or dataset.rows_per_cell is None:
        return {}
    begin, end = None, unix(received_at) + AHEAD
    if dataset.window:
        begin, end = first * dataset.grain, (last + 1) * dataset.grain
        if dataset.window.dates is Dates.DAYS:
            begin, end = begin // DAY * DAY, -(-end // DAY) * DAY
    column = table[dataset.time_column]
    seconds = pc.divide(column.cast(pa.timestamp("us")).cast(pa.int64()), 1_000_000)
    lowest, highest = pc.min(seconds).as_py(), pc.max(seconds).as_py()
    if lowest is None or ((begin is None or lowest >= begin) and highest < end):
        return {}
    what = "outside what was asked" if dataset.window else "not yet come when it was received"
    return {
        number: f"{dataset.time_column}: {column[number].as_py()} is {what}"
        for number, second in enumerate(seconds.to_pylist())
        if second is not None and not ((begin is None or second >= begin) and second < end)
    }
