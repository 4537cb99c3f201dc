"""The state of one cell that was asked for and came back without a row. Pure.

The state follows from the facts alone: the answers that should have had the row. So a rebuild from the ledger gives
the same coverage, in whatever order the answers are loaded.
"""

from __future__ import annotations

import sys
from bisect import bisect_left
from collections.abc import Sequence, Set
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from sources.model import Dataset, Kind
from sources.planner.held import Absence

NEVER = sys.maxsize
"""The bucket of a cell that is not asked for again."""

GROWTH = 3
"""Each pause between two requests of a cell is so many times the pause before it."""


class Place(StrEnum):
    """The place of an absent cell among a key's rows.

    INSIDE: between rows, or right next to the first or last. WAITING: further from the rows than a cell that is asked
    for again in its place. BEYOND: further than a cell that is confirmed empty.
    """

    INSIDE = "inside"
    WAITING = "waiting"
    BEYOND = "beyond"


class Ask(NamedTuple):
    """An answer that had no row of a cell: the freshness bucket it is as fresh as, and when it arrived (unix seconds).

    `failed`: it could not be used at all.
    """

    bucket: int
    asked_at: int
    failed: bool = False


@dataclass(frozen=True, slots=True)
class CellState:
    """`due` is the bucket from which the cell is asked for again."""

    absence: Absence
    due: int


def cell_state(
    dataset: Dataset, number: int, asks: Sequence[Ask], place: Place = Place.INSIDE, doubted: Set[Ask] = frozenset()
) -> CellState:
    """Decide the state of slot `number` of a key, of which none of the answers `asks` (at least one, in order) had a
    row. `doubted` are answers that lacked another row of the key, which a different answer has: they prove nothing.
    """
    last = asks[-1]
    closed = [ask for ask in asks if is_closed(dataset, number, ask)]
    if not closed:
        expected = dataset.kind is not Kind.SERIES or number <= expected_until(dataset, last)
        return CellState(Absence.UNCONFIRMED if expected else Absence.PENDING, last.bucket + 1)
    if last.failed:
        return CellState(Absence.FAILED, NEVER)
    believed = spaced([ask.bucket for ask in closed if not ask.failed and ask not in doubted], dataset.asked_again + 1)
    if len(believed) > dataset.asked_again or (believed and place is Place.BEYOND):
        return CellState(Absence.EMPTY, NEVER)
    if not believed:
        return CellState(Absence.UNCONFIRMED, last.bucket + 1)
    if place is Place.WAITING:
        return CellState(Absence.UNCONFIRMED, NEVER)
    return CellState(Absence.UNCONFIRMED, max(last.bucket + 1, believed[-1] + pause(len(believed))))


def pause(asked: int) -> int:
    """Slots from the `asked`-th answer without a row to the next request: 1, 3, 9, …"""
    return int(GROWTH ** (asked - 1))


def spaced(buckets: Sequence[int], most: int, start: int = 0) -> list[int]:
    """The buckets, given in order, that lie far enough apart to count as answers of their own: at most `most`, from the
    place `start` on."""
    found = list[int]()
    place = start
    while place < len(buckets) and len(found) < most:
        found.append(buckets[place])
        place = bisect_left(buckets, found[-1] + pause(len(found)), lo=place + 1)
    return found


def is_closed(dataset: Dataset, number: int, ask: Ask) -> bool:
    """Tell whether the absence of a row had settled when the answer arrived. A listing of "now" is closed at once."""
    if dataset.kind is not Kind.SERIES:
        return ask.bucket >= number
    return number <= closed_until(dataset, ask)


def closed_until(dataset: Dataset, ask: Ask) -> int:
    """The newest slot of a series whose absence the answer can prove: `last_closed` at the start of its bucket."""
    return ask.bucket - -(-max(dataset.settle, dataset.patience) // dataset.grain) - 1


def expected_until(dataset: Dataset, ask: Ask) -> int:
    """The newest slot of a series whose row was due when the answer arrived: `last_settled` at that time."""
    return (ask.asked_at - dataset.settle) // dataset.grain - 1
