"""A number with its noun, as messages and tables say it."""

from __future__ import annotations


def counted(count: int, noun: str, *, group: str = "") -> str:
    """A count with its noun: `1 call`, `2 calls`; `group` separates thousands."""
    return f"{count:{group}} {noun}" if count == 1 else f"{count:{group}} {noun}s"
