"""Read how many rows an answer says there are."""

from __future__ import annotations

from functools import cache

import msgspec

from sources.model import Dataset


def stated_length(dataset: Dataset, body: bytes) -> int | None:
    """The declared field's value; None where none is declared, or it is no whole number. Never raises."""
    if not dataset.length:
        return None
    try:
        found = _only(dataset.length).decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    value = getattr(found, "value", None)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


@cache
def _only(name: str) -> msgspec.json.Decoder[object]:
    """A decoder that skips everything but one field."""
    kind = msgspec.defstruct("Length", [("value", object, None)], rename={"value": name})
    return msgspec.json.Decoder(kind)
