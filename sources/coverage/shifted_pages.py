"""Detect rows lost when a listing shifts between two page requests. Pure.

A row inserted above what was read is never seen, and pushes another onto the next page a second time. A deleted row
pulls one across the page boundary unseen. Where pages come newest first, their order tells which cells may be hidden;
where they don't, only cells next to a boundary are checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import pairwise

from sources.coverage.delivered_page import Cell, DeliveredPage
from sources.planner.pieces import Group

CHANCE = 10
"""Holes at page boundaries are suspicious only while chance alone would put fewer than 1/CHANCE of a hole there."""


def possibly_hidden(
    group: Group, pages: Sequence[DeliveredPage], present: Mapping[str, set[int]], elsewhere: Set[Cell] = frozenset()
) -> set[Cell]:
    """Cells without a row that may have one after all; none for a single page, which can't shift.

    `present` maps a key to its slots with a row. None either where other requests brought as many rows (`elsewhere`)
    as were hidden.
    """
    if len(pages) < 2:
        return set()
    absent = {
        (key, number)
        for key in group.keys
        for number in range(group.first, group.last + 1)
        if number not in present.get(key, ())
    }
    order = _SellerOrder(pages) if is_newest_first(pages) else None
    shift = find_shift(pages)
    if shift:
        hidden = absent if order is None else {cell for cell in absent if not order.follows(cell, shift.below)}
        return set() if len(hidden & elsewhere) >= shift.rows else hidden
    edges = set(_at_boundaries(pages, order, group.keys)) & absent
    holes = {cell for cell in absent if _is_hole(cell, group, present)}
    by_chance = len(holes - edges) * len(edges) * CHANCE >= len(group.keys) * (group.last - group.first + 1)
    return set() if by_chance else holes & edges


def is_newest_first(pages: Sequence[DeliveredPage]) -> bool:
    """Tell whether rows come newest first, judged page by page: a page that shifted begins with rows seen before."""
    return all(a >= b for page in pages for (_, a), (_, b) in pairwise(page.cells))


@dataclass(frozen=True, slots=True)
class Shift:
    """`rows` rows were inserted on the first `pages` pages, above the row `below`, which came twice."""

    rows: int
    pages: int
    below: Cell


def find_shift(pages: Sequence[DeliveredPage]) -> Shift | None:
    """The shift that rows on more than one page prove; None where each row came once."""
    seen: set[Cell] = set()
    rows, shift = 0, None
    for above, page in enumerate(pages):
        repeated = [cell for cell in dict.fromkeys(page.cells) if cell in seen]
        rows += len(repeated)
        shift = Shift(rows, above, repeated[0]) if repeated else shift
        seen.update(page.cells)
    return shift


class _SellerOrder:
    """The seller's order of rows: newest slot first; keys of one slot as far as pages showed which comes first.

    Where pages contradict each other about two keys, their order is unknown.
    """

    def __init__(self, pages: Sequence[DeliveredPage]) -> None:
        self._next: dict[str, set[str]] = {}
        for page in pages:
            for (key, slot), (next_key, next_slot) in pairwise(page.cells):
                if slot == next_slot and key != next_key:
                    self._next.setdefault(key, set()).add(next_key)
        self._later: dict[str, set[str]] = {}

    def follows(self, cell: Cell, other: Cell) -> bool:
        """Tell whether the cell is known to sort after the other."""
        later = self._after(other[0])
        return cell[1] < other[1] or (cell[1] == other[1] and cell[0] in later and other[0] not in later)

    def _after(self, key: str) -> set[str]:
        if key not in self._later:
            later: set[str] = set()
            queue = [key]
            while queue:
                new = self._next.get(queue.pop(), set()) - later
                later |= new
                queue += new
            self._later[key] = later
        return self._later[key]


def _at_boundaries(pages: Sequence[DeliveredPage], order: _SellerOrder | None, keys: Sequence[str]) -> Iterator[Cell]:
    """Cells that sort between the last row of a page and the first of the next."""
    for page, next_page in pairwise(pages):
        if not page.cells or not next_page.cells:
            continue
        end, begin = page.cells[-1], next_page.cells[0]
        if order is not None:
            between = ((key, number) for key in keys for number in range(begin[1], end[1] + 1))
            yield from (cell for cell in between if not order.follows(end, cell) and not order.follows(cell, begin))
        else:
            yield from ((key, number + step) for key, number in (end, begin) for step in (-1, 1))


def _is_hole(cell: Cell, group: Group, present: Mapping[str, set[int]]) -> bool:
    """Tell whether the key has rows in the slots right before and after, as far as the group asks for them."""
    key, number = cell
    with_row = present.get(key, set())
    neighbours = [other for other in (number - 1, number + 1) if group.first <= other <= group.last]
    return bool(neighbours) and all(other in with_row for other in neighbours)
