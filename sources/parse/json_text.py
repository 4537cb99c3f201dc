"""JSON as sellers write it, read without losing a digit, a duplicated name or a page.

Numbers that a double can't hold to their last digit are Decimals; NaN is null, Infinity a Decimal that no cast takes.
Control characters in texts, lone surrogates and bytes after the end are forgiven, and noted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import accumulate
from typing import Any

import msgspec

DEEPEST = 100
"""Levels of nesting that are read; deeper bodies are malformed. No seller needs ten."""

LOST = "\ufffd"
"""U+FFFD, which stands for a character that could not be read."""

_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_NO_BRACKETS = bytes(set(range(256)) - set(_STEPS))
_NO_MARKS = bytes(set(range(256)) - set(b"[]{}:"))
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_SHAPE = bytes.maketrans(b"123456789.E", b"0000000000e")
_LONG = (b"0" * 17, b"e-000")
"""With every digit and point a zero: sixteen digits and more, or an exponent that may reach below a double. Looked for
from the end, which is twice as quick."""

_WHITESPACE = b" \t\n\r"
"""JSON's own (RFC 8259 section 2)."""
_SURROGATES = re.compile(r"[\ud800-\udfff]")


class Ambiguous(dict[str, Any]):
    """An object that has a name twice, with different values. `names` are those names."""

    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """A decoded body. `ambiguous`: some object in it is; `replaced`: some text has a U+FFFD for what was lost."""

    value: Any
    notes: tuple[str, ...] = ()
    ambiguous: bool = False
    replaced: bool = False


def read_json(text: bytes) -> Document:
    """Decode JSON in UTF-8. Raises ValueError for what is no JSON, and for nesting deeper than DEEPEST."""
    marks = text.translate(None, _NO_MARKS)
    # Without its innermost objects, which are one level, a page of flat rows has hardly a bracket to walk over.
    flat = marks.translate(None, b":").replace(b"{}", b"")
    if _depth(flat) >= DEEPEST and _depth(_STRINGS.sub(b"", text).translate(None, _NO_BRACKETS)) > DEEPEST:
        raise ValueError(f"nested more than {DEEPEST} deep")
    shape = text.translate(_SHAPE)
    try:
        value = _EXACT.decode(text) if any(shape.rfind(long) >= 0 for long in _LONG) else msgspec.json.decode(text)
    except RecursionError as error:
        raise ValueError(str(error)) from None
    except (msgspec.DecodeError, ValueError):
        return _leniently(text)
    # Each name is followed by a colon of its own: with no more colons than different names, no name is there twice.
    names = _count_names(value, marks.count(b"{"))
    return Document(value) if names == marks.count(b":") or _are_unique(text, names) else _leniently(text)


def exact_number(text: str) -> float | Decimal:
    """A JSON number with a fraction or exponent: a float where that keeps every digit, else a Decimal."""
    value = float(text)
    if repr(value) == text or (len(text) < 17 and "-" not in text[1:] and value - value == 0):
        return value
    try:
        exact = Decimal(text)
    except InvalidOperation:
        return Decimal("Infinity")
    return value if value - value == 0 and Decimal(repr(value)) == exact else exact


_EXACT = msgspec.json.Decoder(float_hook=exact_number)


def _depth(brackets: bytes) -> int:
    """Depth of nested brackets. Decoders recurse on the C stack, which a body of brackets would overflow."""
    return max(accumulate(map(_STEPS.__getitem__, brackets)), default=0)


def _are_unique(text: bytes, names: int) -> bool:
    """True when the text has no more names than the decoded value; False also where they can't be counted so simply.

    A name is followed by its colon, and so may be a quote within a text: that counts too many names, never too few.
    """
    bare = text.translate(None, _WHITESPACE)
    seen = bare.count(b'":')
    if b"\\" in bare:
        if b'\\\\"' in bare:
            return False
        seen -= bare.count(b'\\":')
    return seen == names


def _count_names(value: Any, objects: int) -> int:
    """Count the names of all objects in a value. `objects`, the most there are, spares a walk through flat rows."""
    if type(value) is dict:
        return len(value) + sum(
            _count_names(part, objects - 1) for part in value.values() if type(part) in (dict, list)
        )
    if type(value) is not list:
        return 0
    if len(value) >= objects and set(map(type, value)) <= {dict}:
        return sum(map(len, value))
    return sum(_count_names(part, objects) for part in value if type(part) in (dict, list))


class _Lenient:
    """One lenient reading, and what it forgave."""

    def __init__(self, *, strict: bool) -> None:
        self.ambiguous = False
        self.repeated = False
        self.not_numbers = False
        self.decoder = json.JSONDecoder(
            strict=strict,
            parse_float=exact_number,
            parse_int=_integer,
            parse_constant=self._constant,
            object_pairs_hook=self._object,
        )

    def _constant(self, word: str) -> Decimal | None:
        if word == "NaN":
            self.not_numbers = True
            return None
        return Decimal(word)

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) == len(pairs):
            return found
        self.repeated = True
        first: dict[str, Any] = {}
        names = dict.fromkeys(name for name, value in pairs if not _equal(first.setdefault(name, value), value))
        if not names:
            return found
        self.ambiguous = True
        ambiguous = Ambiguous(found)
        ambiguous.names = tuple(names)
        return ambiguous


def _equal(one: Any, other: Any) -> bool:
    """Equal values of equal JSON types: 1 is not true."""
    return type(one) is type(other) and bool(one == other)


def _integer(text: str) -> int | Decimal:
    return int(text) if len(text) < 4000 else Decimal(text)


def _leniently(text: bytes) -> Document:
    """Read by Python's decoder, which is slower and knows the forgivable faults."""
    decoded, notes = text.decode("utf-8", "replace").strip(" \t\r\n"), []
    try:
        reading = _Lenient(strict=True)
        value, end = reading.decoder.raw_decode(decoded)
    except RecursionError as error:
        raise ValueError(str(error)) from None
    except ValueError:
        reading = _Lenient(strict=False)
        value, end = reading.decoder.raw_decode(decoded)
        notes.append("control characters in texts, which JSON forbids")
    if end < len(decoded):
        if not isinstance(value, (dict, list)):
            raise ValueError("text that is no JSON document")
        notes.append("what follows the end was left out")
    if reading.not_numbers:
        notes.append("NaN, which JSON forbids, was read as no value")
    if reading.repeated:
        notes.append("objects that have a name twice")
    replaced = LOST in decoded
    if "\\u" in decoded and any(map(_SURROGATES.search, _texts(value))):
        value, replaced = _without_surrogates(value), True
        notes.append("lone surrogates became U+FFFD")
    return Document(value, tuple(notes), reading.ambiguous, replaced)


def _texts(value: Any) -> Iterator[str]:
    if type(value) is str:
        yield value
    elif isinstance(value, Mapping):
        for name, part in value.items():
            yield name
            yield from _texts(part)
    elif type(value) is list:
        for part in value:
            yield from _texts(part)


def _without_surrogates(value: Any) -> Any:
    if type(value) is str:
        return _SURROGATES.sub(LOST, value)
    if type(value) is list:
        return [_without_surrogates(part) for part in value]
    if not isinstance(value, dict):
        return value
    cleaned = {_SURROGATES.sub(LOST, name): _without_surrogates(part) for name, part in value.items()}
    if len(cleaned) == len(value) and not isinstance(value, Ambiguous):
        return cleaned
    ambiguous = Ambiguous(cleaned)
    ambiguous.names = value.names if isinstance(value, Ambiguous) else (LOST,)
    return ambiguous


def ambiguous_names(value: Any) -> tuple[str, ...]:
    """The names that some object in a value has twice with different values; () for none."""
    if isinstance(value, Ambiguous):
        return value.names
    parts = value.values() if isinstance(value, Mapping) else value if type(value) is list else ()
    return next(filter(None, map(ambiguous_names, parts)), ())


def written(value: Any) -> str:
    """A value as JSON text in which no digit is lost, not even to a reader who takes numbers for doubles: a number that
    a double can't hold is written as text, save whole numbers, which are exact at any length."""
    return msgspec.json.encode(value).decode()
