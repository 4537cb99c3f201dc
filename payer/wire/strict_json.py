"""Parse JSON strictly: UTF-8, no duplicate keys, no NaN, bounded depth and size; and take typed fields from objects.

Everything that a seller or an RPC server sends is parsed here; the result is a value or Malformed. x402 v2 has
terms, payments and receipts as base64 JSON in HTTP headers.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections import Counter
from collections.abc import Mapping
from typing import Any, NoReturn

DEPTH_LIMIT = 32
_TOO_DEEP = f"it is nested deeper than {DEPTH_LIMIT} levels"
HEADER_LIMIT = 64 * 1024


class Malformed(ValueError):
    """Raised for text that is not strict JSON of the expected form; the message quotes nothing long."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        counts = Counter(key for key, _ in pairs)
        repeated = next(key for key, count in counts.items() if count > 1)
        raise Malformed(f"the key {shown(repeated)} occurs twice in one object")
    return unique


def _constant(name: str) -> NoReturn:
    raise Malformed(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise Malformed("a number is too large")
    return number


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_constant, parse_float=_finite)


def parse(raw: bytes, *, limit: int) -> Any:
    """Parse one JSON document of at most `limit` bytes and DEPTH_LIMIT levels. Raises Malformed."""
    if len(raw) > limit:
        raise Malformed(f"it is longer than {limit} bytes")
    try:
        value = _DECODER.decode(raw.decode("utf-8"))
    except UnicodeDecodeError:
        raise Malformed("it is not UTF-8") from None
    except Malformed:
        raise
    except RecursionError:
        raise Malformed(_TOO_DEEP) from None
    except ValueError:
        raise Malformed("it is not JSON") from None
    _check_depth(value)
    return value


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(DEPTH_LIMIT + 1):
        level = [
            child
            for node in level
            if isinstance(node, (dict, list))
            for child in (node.values() if isinstance(node, dict) else node)
        ]
        if not level:
            return
    raise Malformed(_TOO_DEEP)


def dump(value: Any) -> str:
    """Write compact ASCII JSON, keys in the order given: the same value is always the same text."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def shown(value: object, limit: int = 80) -> str:
    """Format a foreign value for a message: one line, no control characters, at most `limit` characters."""
    if isinstance(value, (dict, list)):
        return "an object" if isinstance(value, dict) else "a list"
    if isinstance(value, int) and abs(value) >= 10**80:
        return "an enormous number"
    text = ascii(value[: limit + 1] if isinstance(value, str) else value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def integer(entry: Mapping[str, Any], name: str) -> int:
    """A whole number; true, 1.0 and "1" are not."""
    value = entry.get(name)
    if type(value) is not int:
        raise Malformed(f"{name} is {shown(value)}, not a whole number")
    return value


def text_of(entry: Mapping[str, Any], name: str) -> str:
    """A text that is not empty."""
    value = entry.get(name)
    if not isinstance(value, str) or not value:
        raise Malformed(f"{name} is {shown(value)}, not text")
    return value


def optional_text(entry: Mapping[str, Any], name: str) -> str | None:
    """A text, or None where the field is absent or null."""
    value = entry.get(name)
    if value is not None and not isinstance(value, str):
        raise Malformed(f"{name} is {shown(value)}, not text")
    return value


def optional_object(entry: Mapping[str, Any], name: str) -> dict[str, Any]:
    """An object; an empty one where the field is absent or null."""
    value = entry.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Malformed(f"{name} is {shown(value)}, not an object")
    return value


def single_header(headers: Mapping[str, str], name: str) -> str | None:
    """The value of a header in any case, None without one. Raises Malformed when it occurs twice."""
    values = [value for key, value in headers.items() if key.lower() == name]
    if len(values) > 1:
        raise Malformed(f"the header {name.upper()} occurs twice")
    return values[0] if values else None


def decode_header(name: str, text: str) -> dict[str, Any]:
    """Decode a header's JSON object. Raises Malformed unless its base64 is canonical, padded and bounded."""
    if len(text) > HEADER_LIMIT:
        raise Malformed(f"the header {name} is longer than {HEADER_LIMIT} bytes, and was cut there")
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Malformed(f"the header {name} is not base64") from None
    if base64.b64encode(raw).decode("ascii") != text:
        raise Malformed(f"the header {name} is not canonical base64")
    return json_object(f"the header {name}", raw, HEADER_LIMIT)


def json_object(where: str, raw: bytes, limit: int) -> dict[str, Any]:
    """Parse one strict JSON object. Raises Malformed whose message begins with `where`."""
    try:
        value = parse(raw, limit=limit)
    except Malformed as why:
        raise Malformed(f"{where}: {why}") from None
    if not isinstance(value, dict):
        raise Malformed(f"{where} is not a JSON object")
    return value
