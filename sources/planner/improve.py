"""Fewer pages where few keys miss little: set some pages apart, and cut the rest anew. Pure and deterministic.

One cut of time for all keys wastes pages where keys differ. A beam search sets single pages apart (a window, and the
keys that miss most in it); what the dynamic program makes of the rest is a page set's exact worth. Only whole
numbers are compared, so every machine finds the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from sources.planner.limits import Block, Limits, calls_of, table_of_calls

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from sources.planner.grid import Mask

    Ints = npt.NDArray[np.int64]

WORK = 60_000
"""Steps that may be tried in all: some tenths of a second."""

STRETCH = 64
"""Steps that are improved together."""

KEYS = 64
"""Above so many keys one cut for all is close to the optimum, as whole pages fill at every step."""

BEAM, DEPTH, BATCH = 8, 5, 512

_CALL = 1 << 20

Page = tuple[int, int, tuple[int, ...]]
"""First step, steps, keys."""


def improved(missing: Mask, limits: Limits, blocks: list[Block], cut: Callable[[Mask], list[Block]]) -> list[Block]:
    """The blocks, with fewer calls where a stretch of them can do with fewer. `cut` is the cut of time for all keys."""
    import numpy as np

    if sum(calls_of(limits, block) for block in blocks) <= simple_bound(missing, limits):
        return blocks
    out: list[Block] = []
    stretches = list(_stretches(blocks))
    for stretch in stretches:
        keys = sorted({key for block in stretch for key in block.keys})
        calls = sum(calls_of(limits, block) for block in stretch)
        if len(keys) > KEYS or calls < 2:
            out += stretch
            continue
        first, last = stretch[0].first, max(block.last for block in stretch)
        part = np.zeros((len(keys), last - first + 1), dtype=np.bool_)
        for block in stretch:
            rows = np.searchsorted(keys, block.keys)
            part[rows, block.first - first : block.last - first + 1] |= missing[
                list(block.keys), block.first : block.last + 1
            ]
        pages, rest = _Beam(part, limits, WORK // len(stretches)).search(calls)
        found = [Block(a, a + steps - 1, own) for a, steps, own in pages] + cut(rest) if pages else []
        out += (_moved(block, first, keys) for block in found) if found else stretch
    return out


def _moved(block: Block, first: int, keys: list[int]) -> Block:
    return Block(block.first + first, block.last + first, tuple(keys[row] for row in block.keys))


def _stretches(blocks: list[Block]) -> Iterator[list[Block]]:
    """Neighbouring blocks, cut where no window crosses."""
    stretch: list[Block] = []
    for block in sorted(blocks, key=lambda block: (block.first, block.last, block.keys)):
        fits = not stretch or block.last - stretch[0].first < STRETCH
        if not fits and block.first > max(other.last for other in stretch):
            yield stretch
            stretch = []
        stretch.append(block)
    if stretch:
        yield stretch


def simple_bound(missing: Mask, limits: Limits) -> int:
    """Calls that no plan can do without, by rows and by windows."""
    import numpy as np

    windows, reach = 0, -1
    for step in np.flatnonzero(missing.any(axis=0)).tolist():
        if step > reach:
            windows, reach = windows + 1, step + limits.width - 1
    return max(windows, -(-int(missing.sum()) * limits.step_rows // limits.page_rows))


def bound(missing: Mask, limits: Limits) -> int:
    """Calls that no plan can do without, also by how much one page can cover at best."""
    cells = int(missing.sum())
    return max(simple_bound(missing, limits), -(-cells // _best_page(missing, limits))) if cells else 0


def _best_page(missing: Mask, limits: Limits) -> Fraction:
    """The most cells a page covers, counting the share of a key that a group of pages may hold beyond whole keys."""
    import numpy as np

    keys, steps = missing.shape
    sums = np.zeros((keys, steps + 1), dtype=np.int64)
    np.cumsum(missing, axis=1, out=sums[:, 1:])
    best = Fraction(1)
    for length in range(1, min(limits.width, steps) + 1):
        rows = length * limits.step_rows
        whole, share = divmod(limits.page_rows, rows)
        tops = -np.sort(-(sums[:, length:] - sums[:, :-length]), axis=0)
        value = tops[:whole].sum(axis=0) * rows
        if whole < keys:
            value = value + share * tops[whole]
        best = max(best, Fraction(int(value.max()), rows))
    return best


@dataclass(frozen=True, slots=True)
class _Node:
    """Pages set apart so far, what they leave missing, and the worth of both."""

    worth: int
    missing: Mask
    pages: tuple[Page, ...]


class _Beam:
    def __init__(self, missing: Mask, limits: Limits, work: int) -> None:
        import numpy as np

        self.missing = missing
        self.limits = limits
        self.work = work
        self.keys, self.steps = missing.shape
        self.width = min(limits.width, self.steps)
        lengths = np.arange(1, self.width + 1)[:, None]
        rows = lengths * np.arange(self.keys + 1)[None, :] * limits.step_rows
        self.prices = table_of_calls(limits, self.keys, self.width) * _CALL + rows * 1000 // limits.page_rows
        self.shapes = self._page_shapes()

    def _page_shapes(self) -> list[tuple[int, int]]:
        """(steps, keys) of full pages: for each number of keys the longest window."""
        longest: dict[int, int] = {}
        for steps in range(1, self.width + 1):
            fit = min(self.limits.fit(steps), self.keys)
            if fit:
                longest[fit] = steps
        return [(steps, fit) for fit, steps in longest.items()]

    def search(self, calls: int) -> tuple[tuple[Page, ...], Mask]:
        """The pages to set apart for the fewest calls, and what is left; no pages when nothing beats `calls`."""
        least = bound(self.missing, self.limits)
        if calls <= least:
            return (), self.missing
        best = _Node(calls * _CALL, self.missing, ())
        beam = [_Node(calls * _CALL, self.missing, ())]
        seen: set[bytes] = set()
        for _ in range(DEPTH):
            nodes = sorted((node for parent in beam for node in self._children(parent)), key=lambda node: node.worth)
            beam = []
            for node in nodes:
                mark = node.missing.tobytes()
                if mark not in seen and len(beam) < BEAM:
                    seen.add(mark)
                    beam.append(node)
            if beam and beam[0].worth // _CALL < best.worth // _CALL:
                best = beam[0]
            if not beam or best.worth // _CALL <= least or self.work <= 0:
                break
        return best.pages, best.missing

    def _children(self, parent: _Node) -> Iterator[_Node]:
        """The parent with each promising page set apart, as long as there is work left to do."""
        import numpy as np

        pages = self._pages(parent.missing)
        for start in range(0, len(pages), BATCH):
            batch = pages[start : start + BATCH]
            if self.work <= 0:
                return
            self.work -= len(batch) * self.steps
            masks = np.repeat(parent.missing[None], len(batch), axis=0)
            for mask, (first, steps, keys) in zip(masks, batch, strict=True):
                mask[list(keys), first : first + steps] = False
            worths = self._worths(masks) + (len(parent.pages) + 1) * _CALL
            for mask, page, worth in zip(masks, batch, worths.tolist(), strict=True):
                yield _Node(worth, mask, (*parent.pages, page))

    def _pages(self, missing: Mask) -> list[Page]:
        """Full pages at every place: of the keys that miss most there, and of those that miss what few others do."""
        import numpy as np

        others = np.maximum(missing.sum(axis=0), 1)
        found: dict[Page, None] = {}
        for weights in (missing.astype(np.int64), missing * (720_720 // others)[None, :]):
            sums = np.zeros((self.keys, self.steps + 1), dtype=np.int64)
            np.cumsum(weights, axis=1, out=sums[:, 1:])
            for steps, fit in self.shapes:
                window = sums[:, steps:] - sums[:, :-steps]
                order = np.argsort(-window, axis=0, kind="stable")[:fit]
                for first in range(window.shape[1]):
                    keys = [key for key in order[:, first].tolist() if window[key, first]]
                    if keys:
                        found[first, steps, tuple(sorted(keys))] = None
        return list(found)

    def _worths(self, masks: Mask) -> Ints:
        """Per mask the worth of its best cut: calls, then how full they are."""
        import numpy as np

        count, _, steps = masks.shape
        counts = self._counts(masks)
        idle = np.logical_not(masks.any(axis=1))
        best = np.zeros((steps + 1, count), dtype=np.int64)
        for end in range(1, steps + 1):
            lengths = np.arange(min(self.width, end))
            starts = end - 1 - lengths
            totals = best[starts] + self.prices[lengths[:, None], counts[starts, :, lengths]]
            best[end] = np.where(idle[:, end - 1], best[end - 1], totals.min(axis=0))
        return best[steps]

    def _counts(self, masks: Mask) -> Ints:
        """counts[t, mask, w]: keys with anything missing in the w + 1 steps from t."""
        import numpy as np

        count, keys, steps = masks.shape
        width = self.width
        counts = np.empty((steps, count, width), dtype=np.int64)
        ahead = np.full((count, keys), width, dtype=np.int64)
        base = (np.arange(count) * (width + 1))[:, None]
        for step in range(steps - 1, -1, -1):
            ahead = np.where(masks[:, :, step], 0, np.minimum(ahead + 1, width))
            flat = np.bincount((ahead + base).ravel(), minlength=count * (width + 1))
            counts[step] = flat.reshape(count, width + 1)[:, :width].cumsum(axis=1)
        return counts
