"""Whether the pages of one answer fit together: what a listing that moved between two pages may have hidden. Pure.

A row inserted above while pages are read is never seen, and pushes another onto the next page a second time. A row
taken out pulls one across the boundary unseen. Pages come newest first; where they don't, doubt stays at the edges.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tollbook.sources.coverage import Answered, Cell
    from tollbook.sources.pieces import Group


def doubtful(group: Group, pages: Sequence[Answered], present: Mapping[str, set[int]]) -> set[Cell]:
    """Cells without a row that may have one after all. One page alone can't shift, and raises no doubt."""
    if len(pages) < 2:
        return set()
    absent = {
        (key, number)
        for key in group.keys
        for number in range(group.first, group.last + 1)
        if number not in present.get(key, ())
    }
    ordered = newest_first(pages)
    repeated = _repeated(pages)
    if repeated:
        oldest = min(number for _, number in repeated)
        return {cell for cell in absent if not ordered or cell[1] >= oldest}
    edges = set(_edges(pages, ordered, group.keys))
    return {cell for cell in absent if cell in edges and _surrounded(cell, group, present)}


def newest_first(pages: Sequence[Answered]) -> bool:
    """Rows come by time, as far as was read. Each page for itself: one that shifted begins with rows seen before."""
    return all(a >= b for page in pages for (_, a), (_, b) in pairwise(page.cells))


def _repeated(pages: Sequence[Answered]) -> set[Cell]:
    """Cells that came on more than one page."""
    counts = Counter(cell for page in pages for cell in set(page.cells))
    return {cell for cell, count in counts.items() if count > 1}


def _edges(pages: Sequence[Answered], ordered: bool, keys: Sequence[str]) -> Iterator[Cell]:
    """Cells that sort between the last row of a page and the first of the next."""
    for before, after in pairwise(pages):
        if not before.cells or not after.cells:
            continue
        (last_key, last), (next_key, following) = before.cells[-1], after.cells[0]
        if ordered:
            yield from ((key, number) for key in keys for number in range(following, last + 1))
        else:
            yield from (
                (last_key, last - 1),
                (last_key, last + 1),
                (next_key, following - 1),
                (next_key, following + 1),
            )


def _surrounded(cell: Cell, group: Group, present: Mapping[str, set[int]]) -> bool:
    """The key has rows right before and after, as far as was asked: a hole where none is likely."""
    key, number = cell
    own = present.get(key, set())
    near = [other for other in (number - 1, number + 1) if group.first <= other <= group.last]
    return bool(near) and all(other in own for other in near)
