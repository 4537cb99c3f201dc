"""JSON as a careful reader takes it: UTF-8, no duplicate keys, no NaN, bounded depth and size.

Whatever comes from a seller or an RPC server passes here first; the only way out is a value or Malformed.
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

DEPTH_LIMIT = 32


class Malformed(ValueError):
    """The text is not the strict JSON asked for; the message says why and quotes nothing long."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise Malformed(f"the key {shown(twice)} stands twice in one object")
    return found


def _constant(name: str) -> NoReturn:
    raise Malformed(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise Malformed("a number is too large")
    return number


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_constant, parse_float=_finite)


def parse(raw: bytes, *, limit: int, depth: int = DEPTH_LIMIT) -> Any:
    """The value of one JSON document of at most `limit` bytes and `depth` levels, or Malformed."""
    if len(raw) > limit:
        raise Malformed(f"it is longer than {limit} bytes")
    try:
        value = _DECODER.decode(raw.decode("utf-8"))
    except UnicodeDecodeError:
        raise Malformed("it is not UTF-8") from None
    except Malformed:
        raise
    except RecursionError:
        raise Malformed(f"it is nested deeper than {depth} levels") from None
    except ValueError:
        raise Malformed("it is not JSON") from None
    _check_depth(value, depth)
    return value


def _check_depth(value: Any, depth: int) -> None:
    level = [value]
    for _ in range(depth + 1):
        level = [
            child
            for node in level
            if isinstance(node, (dict, list))
            for child in (node.values() if isinstance(node, dict) else node)
        ]
        if not level:
            return
    raise Malformed(f"it is nested deeper than {depth} levels")


def dump(value: Any) -> str:
    """Compact ASCII JSON with keys in the order given: the same value is always the same text."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def shown(value: object, limit: int = 80) -> str:
    """A stranger's value as a message may quote it: one line, no control characters, bounded."""
    if isinstance(value, (dict, list)):
        return "an object" if isinstance(value, dict) else "a list"
    text = (
        ascii(value[: limit + 1] if isinstance(value, str) else value) if not isinstance(value, int) else _digits(value)
    )
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _digits(value: int) -> str:
    return str(value) if abs(value) < 10**80 else "an enormous number"
