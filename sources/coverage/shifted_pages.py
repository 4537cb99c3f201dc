"""Whether the pages of one answer fit together: what a listing that moved between two pages may have hidden. Pure.

A row inserted above while pages are read is never seen, and pushes another onto the next page a second time. A row
taken out pulls one across the boundary unseen. Pages come newest first; where they don't, doubt stays at the edges.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import pairwise

from sources.coverage.answered import Answered, Cell
from sources.planner.pieces import Group

ODD = 10
"""One hole in so many is expected by chance: no more raise doubt where pages meet."""


def doubtful(
    group: Group, pages: Sequence[Answered], present: Mapping[str, set[int]], elsewhere: Set[Cell] = frozenset()
) -> set[Cell]:
    """Cells without a row that may have one after all. One page alone can't shift, and raises no doubt; nor do pages
    whose hidden rows have all been found `elsewhere`, by asking in other words."""
    if len(pages) < 2:
        return set()
    absent = {
        (key, number)
        for key in group.keys
        for number in range(group.first, group.last + 1)
        if number not in present.get(key, ())
    }
    order = _Order(pages) if newest_first(pages) else None
    shift = shifted(pages)
    if shift:
        hidden = absent if order is None else {cell for cell in absent if not order.follows(cell, shift.below)}
        return set() if len(hidden & elsewhere) >= shift.rows else hidden
    edges = set(_edges(pages, order, group.keys)) & absent
    holes = {cell for cell in absent if _surrounded(cell, group, present)}
    by_chance = len(holes - edges) * len(edges) * ODD >= len(group.keys) * (group.last - group.first + 1)
    return set() if by_chance else holes & edges


def newest_first(pages: Sequence[Answered]) -> bool:
    """Rows come by time, as far as was read. Each page for itself: one that shifted begins with rows seen before."""
    return all(a >= b for page in pages for (_, a), (_, b) in pairwise(page.cells))


@dataclass(frozen=True, slots=True)
class Shift:
    """`rows` came on top of what was read: on the first `pages` pages, before the row `below` that came twice."""

    rows: int
    pages: int
    below: Cell


def shifted(pages: Sequence[Answered]) -> Shift | None:
    """What rows that came on more than one page tell; None where none did."""
    seen: set[Cell] = set()
    rows, found = 0, None
    for above, page in enumerate(pages):
        again = [cell for cell in dict.fromkeys(page.cells) if cell in seen]
        rows += len(again)
        found = Shift(rows, above, again[0]) if again else found
        seen.update(page.cells)
    return found


class _Order:
    """The seller's order of rows: newest first, and keys of one slot as far as pages showed which comes before which.
    Where they contradict each other, nothing is known of keys."""

    def __init__(self, pages: Sequence[Answered]) -> None:
        self._next: dict[str, set[str]] = {}
        for page in pages:
            for (key, slot), (following, other) in pairwise(page.cells):
                if slot == other and key != following:
                    self._next.setdefault(key, set()).add(following)
        self._later: dict[str, set[str]] = {}

    def follows(self, cell: Cell, other: Cell) -> bool:
        """The cell is known to sort after the other."""
        later = self._after(other[0])
        return cell[1] < other[1] or (cell[1] == other[1] and cell[0] in later and other[0] not in later)

    def _after(self, key: str) -> set[str]:
        if key not in self._later:
            found: set[str] = set()
            fresh = [key]
            while fresh:
                news = self._next.get(fresh.pop(), set()) - found
                found |= news
                fresh += news
            self._later[key] = found
        return self._later[key]


def _edges(pages: Sequence[Answered], order: _Order | None, keys: Sequence[str]) -> Iterator[Cell]:
    """Cells that sort between the last row of a page and the first of the next."""
    for before, after in pairwise(pages):
        if not before.cells or not after.cells:
            continue
        end, begin = before.cells[-1], after.cells[0]
        if order is not None:
            between = ((key, number) for key in keys for number in range(begin[1], end[1] + 1))
            yield from (cell for cell in between if not order.follows(end, cell) and not order.follows(cell, begin))
        else:
            yield from ((key, number + way) for key, number in (end, begin) for way in (-1, 1))


def _surrounded(cell: Cell, group: Group, present: Mapping[str, set[int]]) -> bool:
    """The key has rows right before and after, as far as was asked: a hole where none is likely."""
    key, number = cell
    own = present.get(key, set())
    near = [other for other in (number - 1, number + 1) if group.first <= other <= group.last]
    return bool(near) and all(other in own for other in near)
