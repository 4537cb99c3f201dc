"""Cast a seller's JSON values to typed Arrow columns: a whole column at once where all values agree, else one by one.

Spelling is tolerated (numbers as text, dates with or without a time); a value that can't be cast is an error, and is
never read as zero. Empty text is null, except in a text column.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from sources.model import Cast

if TYPE_CHECKING:
    import pyarrow as pa

CastErrors = dict[int, str]
"""Row number to the reason why its value can't be cast."""

MILLISECONDS = 100_000_000_000
"""Unix times from here on are milliseconds: as seconds they would be past the year 5138."""


def arrow_type(cast: Cast) -> pa.DataType:
    """The Arrow type of a declared column."""
    import pyarrow as pa

    match cast:
        case Cast.INTEGER:
            return pa.int64()
        case Cast.FLOAT:
            return pa.float64()
        case Cast.TEXT | Cast.JSON:
            return pa.string()
        case Cast.BOOLEAN:
            return pa.bool_()
        case Cast.TIMESTAMP:
            return pa.timestamp("us", "UTC")
        case Cast.DATE:
            return pa.date32()


_AS_IS: dict[Cast, frozenset[type]] = {
    Cast.INTEGER: frozenset({int, type(None)}),
    Cast.FLOAT: frozenset({float, int, type(None)}),
    Cast.TEXT: frozenset({str, type(None)}),
    Cast.BOOLEAN: frozenset({bool, type(None)}),
}
"""JSON types whose values need no check one by one."""


def cast_column(values: Sequence[Any], cast: Cast) -> tuple[pa.Array, CastErrors]:
    """Cast values to one Arrow array; null where a value can't be cast, which the errors say by row number."""
    import pyarrow as pa

    kinds = set(map(type, values))
    if kinds <= _AS_IS.get(cast, frozenset()):
        try:
            array = pa.array(values, arrow_type(cast))
            return (_finite(array) if cast is Cast.FLOAT else array), {}
        except (pa.ArrowInvalid, OverflowError):
            return _one_by_one(values, cast)
    if kinds <= {str, type(None)} and cast in _WHOLE:
        try:
            return _WHOLE[cast](pa.array(values, pa.string())), {}
        except pa.ArrowInvalid:
            return _one_by_one(values, cast)
    return _one_by_one(values, cast)


def _one_by_one(values: Sequence[Any], cast: Cast) -> tuple[pa.Array, CastErrors]:
    import pyarrow as pa

    read = _READERS[cast]
    out: list[Any] = []
    errors: CastErrors = {}
    for number, value in enumerate(values):
        try:
            out.append(None if value is None else read(value))
        except (ValueError, OverflowError) as error:
            errors[number] = str(error)
            out.append(None)
    return pa.array(out, arrow_type(cast)), errors


def _floats(texts: pa.Array) -> pa.Array:
    return _finite(texts.cast(arrow_type(Cast.FLOAT)))


def _finite(numbers: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pc.all(pc.is_finite(numbers)).as_py() is False:
        raise pa.ArrowInvalid("not finite")
    return numbers


def _stamps(texts: pa.Array) -> pa.Array:
    """Cast ISO 8601 texts. Arrow refuses texts without a zone; those are read one by one, as UTC."""
    import pyarrow as pa

    stamps = texts.cast(arrow_type(Cast.TIMESTAMP))
    _refuse_year_zero(stamps.cast(pa.int64()), _YEAR_ONE * 86_400_000_000)
    return stamps


def _days(texts: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    longest = pc.max(pc.binary_length(texts)).as_py() or 0
    if longest > len("2025-04-10"):
        return _stamps(texts).cast(pa.timestamp("us")).cast(pa.date32(), safe=False)
    days = texts.cast(pa.date32())
    _refuse_year_zero(days.cast(pa.int32()), _YEAR_ONE)
    return days


_YEAR_ONE = -719_162
"""0001-01-01 in days since 1970. Arrow reads a year 0, which neither Python nor the calendar has."""


def _refuse_year_zero(numbers: pa.Array, least: int) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    first = pc.min(numbers).as_py()
    if first is not None and first < least:
        raise pa.ArrowInvalid("there is no year 0")


_WHOLE: dict[Cast, Callable[[pa.Array], pa.Array]] = {
    Cast.FLOAT: _floats,
    Cast.TIMESTAMP: _stamps,
    Cast.DATE: _days,
}


def _integer(value: Any) -> int | None:
    if type(value) is str:
        text = value.strip()
        if not text:
            return None
        value = int(text) if text.lstrip("+-").isdecimal() else _float(text)
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not int:
        raise ValueError(f"not a whole number: {_shown(value)}")
    if not -(2**63) <= value < 2**63:
        raise ValueError(f"too large for an integer: {_shown(value)}")
    return value


def _float(value: Any) -> float | None:
    if type(value) is str:
        text = value.strip()
        if not text:
            return None
        if not text.isascii() or "_" in text:
            raise ValueError(f"not a number: {_shown(value)}")
        value = _parsed(text)
    if type(value) not in (int, float):
        raise ValueError(f"not a number: {_shown(value)}")
    if not math.isfinite(value):
        raise ValueError(f"not a finite number: {_shown(value)}")
    return float(value)


def _parsed(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"not a number: {_shown(text)}") from None


def _text(value: Any) -> str:
    if type(value) is str:
        return value
    if type(value) in (int, float, bool):
        return msgspec.json.encode(value).decode()
    raise ValueError(f"not text: {_shown(value)}")


def _boolean(value: Any) -> bool | None:
    word = value.strip().lower() if type(value) is str else msgspec.json.encode(value).decode()
    if word not in ("true", "false", "1", "0", ""):
        raise ValueError(f"not true or false: {_shown(value)}")
    return word in ("true", "1") if word else None


def _timestamp(value: Any) -> datetime | None:
    if type(value) is str:
        text = value.strip()
        return _iso(text) if text else None
    if type(value) not in (int, float):
        raise ValueError(f"not a time: {_shown(value)}")
    seconds = value / 1000 if abs(value) >= MILLISECONDS else value
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"not a time: {_shown(value)}") from None


def _iso(text: str) -> datetime:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"not a time: {_shown(text)}") from None
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)


def _date(value: Any) -> date | None:
    when = _timestamp(value)
    return when.date() if when else None


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


_READERS: dict[Cast, Callable[[Any], Any]] = {
    Cast.INTEGER: _integer,
    Cast.FLOAT: _float,
    Cast.TEXT: _text,
    Cast.BOOLEAN: _boolean,
    Cast.TIMESTAMP: _timestamp,
    Cast.DATE: _date,
    Cast.JSON: _json,
}
