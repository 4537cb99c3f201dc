"""Cells that need not be bought: spans of slots per key, and groups that are delivered in part. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sources.planner.grid import Span, merged
from sources.planner.pieces import Group


@dataclass(frozen=True, slots=True)
class OpenGroup:
    """A group that is delivered in part: the numbers of its pages from the first on, without a gap.

    `ended`: no page follows, but some of its cells are still unknown, and only another request can show them.
    """

    group: Group
    pages: tuple[int, ...]
    ended: bool = False


@dataclass(frozen=True, slots=True)
class HeldCells:
    """Cells that need not be bought: held spans of slots per key, and open groups.

    `listing_rows` is how many rows the dataset's last complete listing had; the next bill assumes as many.
    """

    spans: Mapping[str, Sequence[Span]] = field(default_factory=dict)
    open_groups: tuple[OpenGroup, ...] = ()
    listing_rows: int | None = None


NOTHING_HELD = HeldCells()


def union(*parts: HeldCells) -> HeldCells:
    """Cells that any of the parts holds, such as a series' own and those that its snapshots hold for now."""
    spans: dict[str, list[Span]] = {}
    for part in parts:
        for key, slots in part.spans.items():
            spans.setdefault(key, []).extend(slots)
    open_groups = tuple(group for part in parts for group in part.open_groups)
    listing_rows = parts[0].listing_rows if parts else None
    return HeldCells({key: merged(slots) for key, slots in spans.items()}, open_groups, listing_rows)


def held_before(held: HeldCells, end: int) -> HeldCells:
    """The held cells of slots before `end`, such as days of a snapshot that its history twin repaired."""
    spans = {
        key: tuple((first, min(last, end - 1)) for first, last in slots if first < end)
        for key, slots in held.spans.items()
    }
    return HeldCells({key: slots for key, slots in spans.items() if slots})


def held_from(held: HeldCells, start: int) -> HeldCells:
    """The held cells of slots from `start` on, such as the days that a snapshot shows until its history has settled."""
    spans = {
        key: tuple((max(first, start), last) for first, last in slots if last >= start)
        for key, slots in held.spans.items()
    }
    return HeldCells({key: slots for key, slots in spans.items() if slots})
