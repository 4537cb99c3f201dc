"""A number with its noun, as messages and tables say it."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """A count with its noun: `1 call`, `2 calls`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
