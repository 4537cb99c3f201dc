"""Take typed fields from a foreign JSON object; Malformed names the field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from payer.wire.strict_json import Malformed, shown


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
