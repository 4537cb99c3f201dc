"""A value as a message shows it."""

from __future__ import annotations

from typing import Any


def shown(value: Any) -> str:
    """The value's Python text, shortened to 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
