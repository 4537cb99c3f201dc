"""Read times and days: ISO 8601 texts, Unix times in seconds to nanoseconds, and days as numbers such as 20261110.

What could mean two days is no day. A number is read only where one reading of it lies in the years that data is of.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from sources.shown import shown

if TYPE_CHECKING:
    import pyarrow as pa

FIRST, END = 315_532_800, 4_102_444_800
"""Unix times of 1980 and 2100: numbers are read as times between them. Zero, and other small numbers, are none."""

_UNITS = (1, 1_000, 1_000_000, 1_000_000_000)
"""Parts of a second that sellers count; the ranges of the four, between FIRST and END, don't overlap."""

_NUMBER = re.compile(r"[+-]?[0-9]+([.][0-9]*)?([eE][+-]?[0-9]{1,3})?")
_ISO = re.compile(r"[0-9]{4}-?([0-9]{2}-?[0-9]{2}|W[0-9]{2}-?[0-9])([Tt ][0-9]{2}.*)?")
_NO_DATE = re.compile(r"(0000-00-00|0001-01-01)([T ]00:00:00([.]0+)?)?(Z|[+]00:00)?")
"""Dates by which MySQL, Go and .NET mean none."""

_UTC_STAMPS = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,6})?Z$"
_DAYS = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"


def timestamp(value: Any) -> datetime | None:
    """The instant that a value means, UTC; texts without a zone are UTC. Raises ValueError."""
    found = _moment(value)
    return found.astimezone(UTC) if found else None


def day(value: Any) -> date | None:
    """The day that a value means. Raises ValueError.

    A text with an offset means its own calendar day at midnight, or where that day is the UTC day, too.
    """
    found = _moment(value)
    if found is None:
        return None
    in_utc = found.astimezone(UTC)
    if found.date() != in_utc.date() and found.time() != time():
        raise ValueError(f"not one day: {shown(value)} is another day in UTC")
    return found.date()


def _moment(value: Any) -> datetime | None:
    """The time of a value, in the zone that it is written in."""
    if type(value) is str:
        text = value.strip()
        if not text or _NO_DATE.fullmatch(text):
            return None
        return _number(Decimal(text), value) if _NUMBER.fullmatch(text) else _iso(text)
    if type(value) not in (int, float, Decimal):
        raise ValueError(f"not a time: {shown(value)}")
    try:
        return _number(Decimal(value), value)
    except InvalidOperation:
        raise ValueError(f"not a time: {shown(value)}") from None


def _number(number: Decimal, value: Any) -> datetime:
    if number.is_finite() and number.adjusted() < 20:
        if number == number.to_integral_value():
            whole = int(number)
            if 19_000_101 <= whole < 22_000_000:
                return _calendar(whole, value)
        for unit in _UNITS:
            if FIRST * unit <= number < END * unit:
                micros = int((number * 1_000_000 / unit).to_integral_value())
                return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
    raise ValueError(f"not a time: {shown(value)}")


def _calendar(number: int, value: Any) -> datetime:
    """A day written as a number: 20261110."""
    try:
        return datetime(number // 10_000, number // 100 % 100, number % 100, tzinfo=UTC)
    except ValueError:
        raise ValueError(f"not a day: {shown(value)}") from None


def _iso(text: str) -> datetime:
    try:
        if not _ISO.fullmatch(text):
            raise ValueError
        when = datetime.fromisoformat(text)
        when = when.replace(tzinfo=UTC) if when.tzinfo is None else when
        when.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"not a time: {shown(text)}") from None
    return when


def stamps(texts: pa.Array) -> pa.Array:
    """Cast a whole column of UTC stamps, such as 2026-11-10T00:00:00.000Z. Raises ArrowInvalid for any other text."""
    import pyarrow as pa

    return _cast(texts, _UTC_STAMPS, pa.timestamp("us", "UTC"), pa.int64(), 86_400_000_000)


def days(texts: pa.Array) -> pa.Array:
    """Cast a whole column of days or of UTC stamps. Raises ArrowInvalid for any other text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    longest = pc.max(pc.binary_length(texts)).as_py() or 0
    if longest > len("2025-04-10"):
        return stamps(texts).cast(pa.timestamp("us")).cast(pa.date32(), safe=False)
    return _cast(texts, _DAYS, pa.date32(), pa.int32(), 1)


_YEAR_TWO = -718_797
"""0002-01-01 in days since 1970. Arrow reads a year 0, which the calendar has not; 0001-01-01 means no date."""


def _cast(texts: pa.Array, pattern: str, kind: pa.DataType, number: pa.DataType, per_day: int) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pc.all(pc.match_substring_regex(texts, pattern)).as_py() is False:
        raise pa.ArrowInvalid("another spelling of time")
    found = texts.cast(kind)
    first = pc.min(found.cast(number)).as_py()
    if first is not None and first < _YEAR_TWO * per_day:
        raise pa.ArrowInvalid("before the year 2")
    return found
