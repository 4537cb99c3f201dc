"""Cast a seller's JSON values to typed Arrow columns: a whole column at once where all values agree, else one by one.

Spelling is tolerated (numbers as text, dates with or without a time); a value that can't be cast is an error, and is
never read as zero. Empty text, and words such as "N/A", are null, except in a text column.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from sources.model import Cast
from sources.parse import times
from sources.parse.json_text import written
from sources.shown import shown

if TYPE_CHECKING:
    import pyarrow as pa

CastErrors = dict[int, str]
"""Row number to the reason why its value can't be cast."""

_DIGITS = re.compile(r"[+-]?[0-9]{1,4000}")
_NUMBER = re.compile(r"[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]{1,9})?")


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
        except (pa.ArrowInvalid, UnicodeEncodeError):
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
        except (ValueError, ArithmeticError) as error:
            errors[number] = str(error)
            out.append(None)
    return pa.array(out, arrow_type(cast)), errors


def _floats(texts: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pc.any(pc.match_substring(texts, "e-", ignore_case=True)).as_py():
        raise pa.ArrowInvalid("perhaps too small for a double, which Arrow reads as zero")
    return _finite(texts.cast(arrow_type(Cast.FLOAT)))


def _finite(numbers: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pc.all(pc.is_finite(numbers)).as_py() is False:
        raise pa.ArrowInvalid("not finite")
    return numbers


_WHOLE: dict[Cast, Callable[[pa.Array], pa.Array]] = {
    Cast.FLOAT: _floats,
    Cast.TIMESTAMP: times.stamps,
    Cast.DATE: times.days,
}


NONE_WORDS = frozenset({"", "null", "none", "nil", "nan", "nat", "n/a", "#n/a", "na", "<na>", "undefined", "-", "--"})
"""Texts by which sellers mean "no value", in lower case. In a text column these are texts."""


def _word(value: str) -> str | None:
    """The text without blanks around it; None where it means no value."""
    text = value.strip()
    return None if text.lower() in NONE_WORDS else text


def _integer(value: Any) -> int | None:
    number: int | Decimal | None
    if type(value) is str:
        text = _word(value)
        number = None if text is None else int(text) if _DIGITS.fullmatch(text) else _decimal(text)
    elif type(value) is float and value.is_integer():
        number = int(value)
    elif type(value) in (int, Decimal):
        number = value
    else:
        raise ValueError(f"not a whole number: {shown(value)}")
    if type(number) is Decimal:
        if not number.is_finite() or number.adjusted() > 20 or number != number.to_integral_value():
            raise ValueError(f"not a whole number: {shown(value)}")
        number = int(number)
    if number is not None and not -(2**63) <= number < 2**63:
        raise ValueError(f"too large for an integer: {shown(value)}")
    return number if number is None else int(number)


def _float(value: Any) -> float | None:
    if type(value) is str:
        text = _word(value)
        if text is None:
            return None
        value = _decimal(text)
    if type(value) not in (int, float, Decimal):
        raise ValueError(f"not a number: {shown(value)}")
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"not a finite number: {shown(value)}")
    if number == 0 and value:
        raise ValueError(f"too small for a number: {shown(value)}")
    return number


def _decimal(text: str) -> Decimal:
    if _NUMBER.fullmatch(text):
        try:
            return Decimal(text)
        except InvalidOperation:
            pass
    raise ValueError(f"not a number: {shown(text)}")


def _text(value: Any) -> str:
    if type(value) is str:
        return value
    if type(value) is Decimal:
        if value.is_finite():
            return str(value)
    elif type(value) in (int, float, bool) and value - value == 0:
        return written(value)
    raise ValueError(f"not text: {shown(value)}")


def _boolean(value: Any) -> bool | None:
    word = _word(value) if type(value) is str else written(value)
    if word is None:
        return None
    if word.lower() not in ("true", "false", "1", "0"):
        raise ValueError(f"not true or false: {shown(value)}")
    return word.lower() in ("true", "1")


def _time_word(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A reader of times to which the words for "no value" are none."""
    return lambda value: None if type(value) is str and _word(value) is None else read(value)


def inexact(values: Sequence[Any], cast: Cast) -> tuple[int, ...]:
    """Row numbers of values that a FLOAT column holds only rounded: their last digits are lost in it."""
    if cast is not Cast.FLOAT or set(map(type, values)) <= {float, type(None)}:
        return ()
    return tuple(number for number, value in enumerate(values) if _is_rounded(value))


def _is_rounded(value: Any) -> bool:
    if type(value) is int:
        value = Decimal(value) if value.bit_length() > 53 else None
    if type(value) is str:
        if len(value) < 16 or not _NUMBER.fullmatch(value.strip()):
            return False
        value = Decimal(value.strip())
    if type(value) is not Decimal or not value.is_finite():
        return False
    number = float(value)
    return math.isfinite(number) and Decimal(repr(number)) != value


_READERS: dict[Cast, Callable[[Any], Any]] = {
    Cast.INTEGER: _integer,
    Cast.FLOAT: _float,
    Cast.TEXT: _text,
    Cast.BOOLEAN: _boolean,
    Cast.TIMESTAMP: _time_word(times.timestamp),
    Cast.DATE: _time_word(times.day),
    Cast.JSON: written,
}
