"""Spans of slots: cells that need not be bought, cells that were asked for in vain, groups delivered in part. Pure."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from sources.planner.pieces import Group

Span = tuple[int, int]
"""First and last slot, both inclusive."""


def in_order(keys: Iterable[str]) -> tuple[str, ...]:
    """Each key once, whole numbers by value: a demand makes the same requests in whatever order its keys were typed."""
    return tuple(sorted(set(keys), key=lambda key: (not key.isdecimal(), len(key) if key.isdecimal() else 0, key)))


def merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Sort spans and join those that touch or overlap."""
    out: list[Span] = []
    for first, last in sorted(spans):
        if out and first <= out[-1][1] + 1:
            out[-1] = (out[-1][0], max(out[-1][1], last))
        else:
            out.append((first, last))
    return tuple(out)


def gaps(spans: Iterable[Span], first: int, last: int) -> tuple[Span, ...]:
    """The parts of first…last that no span covers, in order."""
    out: list[Span] = []
    start = first
    for a, b in merged(spans):
        if b < start or a > last:
            continue
        if a > start:
            out.append((start, a - 1))
        start = max(start, b + 1)
    return (*out, (start, last)) if start <= last else tuple(out)


@dataclass(frozen=True, slots=True)
class OpenGroup:
    """A group that is delivered in part: the numbers of its pages from the first on, without a gap.

    `ended`: no page follows, but some of its cells are still unknown, and only another request can show them.
    """

    group: Group
    pages: tuple[int, ...]
    ended: bool = False


class Absence(StrEnum):
    """PENDING: its row is not due yet. UNCONFIRMED: asked for, not delivered, to be asked for again. EMPTY: enough
    answers agree that there is no row. FAILED: the answer could not be used; an operator decides."""

    PENDING = "pending"
    UNCONFIRMED = "unconfirmed"
    EMPTY = "confirmed empty"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class AbsentCells:
    """Slots first…last of a key, asked for `asked` times and never delivered, in one state.

    `last_bucket` and `last_asked_at` (unix seconds) are of the newest answer; `due` is the bucket from which they are
    asked for again. `closed`: an answer arrived when their absence had settled. `before_first`: the key's first row
    comes later. `never`: the key has not had a row yet.
    """

    key: str
    first: int
    last: int
    absence: Absence
    asked: int
    last_bucket: int
    last_asked_at: int
    due: int
    closed: bool = True
    before_first: bool = False
    never: bool = False

    @property
    def slots(self) -> int:
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class HeldCells:
    """Cells that need not be bought: spans of slots per key, and open groups.

    `spans` are held cells, those that are confirmed empty, and those that are not due again yet. `known` are the first
    two: other datasets of the table count them as held. `absent` are all cells that were asked for and not delivered.
    `listing_rows` is how many rows the dataset's last complete listing had; the next bill assumes as many. `page_rows`
    is the size of the seller's pages, where they proved to be smaller than asked for. `complete` are the ids of groups
    that an operator asked for again and that are complete.
    """

    spans: Mapping[str, Sequence[Span]] = field(default_factory=dict)
    open_groups: tuple[OpenGroup, ...] = ()
    listing_rows: int | None = None
    known: Mapping[str, Sequence[Span]] | None = None
    absent: Mapping[str, tuple[AbsentCells, ...]] = field(default_factory=dict)
    page_rows: int | None = None
    complete: frozenset[str] = frozenset()

    def counted_by_others(self) -> HeldCells:
        """The cells that count as held for a dataset which fills the same table."""
        return HeldCells(self.spans if self.known is None else self.known)


NOTHING_HELD = HeldCells()


def union(*parts: HeldCells) -> HeldCells:
    """Cells that any of the parts holds, such as a series' own and those that its snapshots hold for now.

    Everything but the spans, and what was asked for in vain, is of the first part alone.
    """
    first = parts[0] if parts else NOTHING_HELD
    known = union_spans(part.spans if part.known is None else part.known for part in parts)
    open_groups = tuple(group for part in parts for group in part.open_groups)
    others = union_spans(part.spans for part in parts[1:])
    return replace(
        first,
        spans={key: merged(slots) for key, slots in union_spans(part.spans for part in parts).items()},
        open_groups=open_groups,
        known={key: merged(slots) for key, slots in known.items()},
        absent={key: left for key, cells in first.absent.items() if (left := _outside(cells, others.get(key, ())))},
    )


def union_spans(parts: Iterable[Mapping[str, Sequence[Span]]]) -> dict[str, list[Span]]:
    """The spans of all parts, per key."""
    spans: dict[str, list[Span]] = {}
    for part in parts:
        for key, slots in part.items():
            spans.setdefault(key, []).extend(slots)
    return spans


def _outside(cells: Sequence[AbsentCells], spans: Sequence[Span]) -> tuple[AbsentCells, ...]:
    """The parts of the cells that no span covers."""
    return tuple(
        replace(each, first=first, last=last) for each in cells for first, last in gaps(spans, each.first, each.last)
    )


def held_before(held: HeldCells, end: int) -> HeldCells:
    """The held cells of slots before `end`, such as days of a snapshot that its history twin repaired."""
    return _held_within(held, -sys.maxsize, end - 1)


def held_from(held: HeldCells, start: int) -> HeldCells:
    """The held cells of slots from `start` on, such as the days that a snapshot shows until its history has settled."""
    return _held_within(held, start, sys.maxsize)


def _held_within(held: HeldCells, low: int, high: int) -> HeldCells:
    spans = {
        key: tuple((max(first, low), min(last, high)) for first, last in slots if first <= high and last >= low)
        for key, slots in held.spans.items()
    }
    return HeldCells({key: slots for key, slots in spans.items() if slots})
