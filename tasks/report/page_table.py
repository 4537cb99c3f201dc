"""The parts of a table of the page: columns, cells, exact sums. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Context, Decimal
from functools import reduce
from typing import Any

from tasks.ops.costs import plain
from tasks.report.figures import Row

Cell = Any
"""Text or a number, None for unknown, or a mapping: text with href, mark (a badge), bar (percent), tone or title."""


@dataclass(frozen=True, slots=True)
class PageColumn:
    """A heading; `exact` columns hold amounts, which the page repeats for machines."""

    title: str
    right: bool = False
    exact: bool = False
    wraps: bool = False

    @property
    def kind(self) -> str:
        """The class of its cells."""
        return " ".join(name for name, on in (("n", self.right), ("wrap", self.wraps)) if on)


@dataclass(frozen=True, slots=True)
class PageTable:
    """A table with its caption; the first cell of a row is its heading."""

    caption: str
    columns: tuple[PageColumn, ...]
    rows: list[list[Cell]]
    foot: list[Cell] | None = None


def words(*titles: str) -> tuple[PageColumn, ...]:
    return tuple(PageColumn(title) for title in titles)


def numbers(*titles: str) -> tuple[PageColumn, ...]:
    return tuple(PageColumn(title, right=True) for title in titles)


def amounts(*titles: str) -> tuple[PageColumn, ...]:
    return tuple(PageColumn(title, right=True, exact=True) for title in titles)


def add(rows: Iterable[Row], name: str) -> str:
    """Add up exact amounts, as text: with more digits than any amount has, so that none is rounded away."""
    return str(plain(reduce(_EXACT.add, (Decimal(str(row[name])) for row in rows), Decimal(0))))


_EXACT = Context(prec=200)


def moment(text: str | None) -> str | None:
    """Shorten a time to its minute: "2026-11-29 06:15"."""
    return None if text is None else text[:16].replace("T", " ")
