"""Numbers as messages and tables say them: a count with its noun, the exact sum of a column."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal, localcontext
from typing import Any


def counted(count: int, noun: str, *, group: str = "") -> str:
    """A count with its noun: `1 call`, `2 calls`; `group` separates thousands."""
    return f"{count:{group}} {noun}" if count == 1 else f"{count:{group}} {noun}s"


def total_of(rows: Iterable[Mapping[str, Any]], name: str) -> Decimal:
    """The exact sum of a column: an asset of 18 decimals has more digits than Decimal adds up unasked."""
    with localcontext(prec=200):
        return sum((Decimal(row[name] or 0) for row in rows), Decimal(0))
