"""The fewest paid pages that cover missing cells: rectangles of keys × steps under a seller's limits. Pure.

A block is a window of steps and the keys asked for in it. It costs ⌈keys × steps × rows per step ÷ rows per page⌉
calls. First the time axis is cut once for all keys, by dynamic programming over windows: exact for that shape, and
close to the optimum where many keys miss much. Then blocks are improved where few keys miss little.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from tollbook.sources.grid import Mask

    Ints = npt.NDArray[np.int64]

PAGES = 10
"""At most so many pages in one group: its pages are read one after another."""

_CALL = 1 << 20
"""Weight of a call beside the tie-breakers: pages that depend on one another, then blocks."""


@dataclass(frozen=True, slots=True)
class Limits:
    """`page_rows` rows a page; `step_rows` rows of one key in one step; windows of `width` steps; `ids` keys a call."""

    page_rows: int
    step_rows: int
    width: int
    ids: int

    def pages(self, keys: int, steps: int) -> int:
        return -(-keys * steps * self.step_rows // self.page_rows)

    def fit(self, steps: int, pages: int = 1) -> int:
        """How many keys fill at most so many pages of a window."""
        return min(self.ids, pages * self.page_rows // (steps * self.step_rows))


@dataclass(frozen=True, slots=True)
class Block:
    """Keys (rows of the mask) in one window of steps, both ends inclusive."""

    first: int
    last: int
    keys: tuple[int, ...]

    @property
    def steps(self) -> int:
        return self.last - self.first + 1


def group_sizes(limits: Limits, steps: int) -> tuple[int, int]:
    """(keys, pages) of the group that fills its pages best in windows of so many steps; single pages win ties."""
    best = (0, 1)
    for pages in range(1, PAGES + 1):
        keys = limits.fit(steps, pages)
        if keys * best[1] > best[0] * pages:
            best = (keys, pages)
    return best if best[0] else (1, limits.pages(1, steps))


def split(limits: Limits, keys: int, steps: int) -> list[int]:
    """Sizes of the groups that buy so many keys in one window: the fewest pages, singles where they cost no more."""
    single = limits.fit(steps)
    size, pages = group_sizes(limits, steps)
    whole, rest = divmod(keys, size)
    grouped = whole * pages + limits.pages(rest, steps)
    if single and -(-keys // single) <= grouped:
        return _even(keys, single)
    if single and -(-rest // single) <= limits.pages(rest, steps):
        return [size] * whole + _even(rest, single)
    return [size] * whole + ([rest] if rest else [])


def _even(keys: int, size: int) -> list[int]:
    whole, rest = divmod(keys, size)
    return [size] * whole + ([rest] if rest else [])


def cover(missing: Mask, limits: Limits) -> list[Block]:
    """Blocks that cover every missing cell, in order of time."""
    blocks = _partition(missing, limits)
    return sorted(blocks, key=lambda block: (block.first, block.last, block.keys))


def _partition(missing: Mask, limits: Limits) -> list[Block]:
    """The best cut of the time axis into windows shared by all keys."""
    import numpy as np

    blocks: list[Block] = []
    for first, last in _cuts(missing, limits):
        window = missing[:, first : last + 1]
        rows = np.flatnonzero(window.any(axis=1))
        start = 0
        for size in split(limits, len(rows), last - first + 1):
            blocks.append(_trimmed(missing, first, last, rows[start : start + size]))
            start += size
    return blocks


def _trimmed(missing: Mask, first: int, last: int, rows: Ints) -> Block:
    """A block whose window ends where its keys miss something."""
    import numpy as np

    used = np.flatnonzero(missing[rows, first : last + 1].any(axis=0))
    return Block(first + int(used[0]), first + int(used[-1]), tuple(rows.tolist()))


def _cuts(missing: Mask, limits: Limits) -> list[tuple[int, int]]:
    """Windows in order: dynamic programming over where the last window begins."""
    import numpy as np

    steps = missing.shape[1]
    width = min(limits.width, steps)
    counts = _counts(missing, width)
    prices = _prices(limits, missing.shape[0], width)
    best = np.zeros(steps + 1, dtype=np.int64)
    back = np.zeros(steps + 1, dtype=np.int64)
    lengths = np.arange(1, width + 1)
    idle = np.logical_not(missing.any(axis=0)).tolist()
    for end in range(1, steps + 1):
        if idle[end - 1]:
            best[end] = best[end - 1]
            continue
        usable = lengths[: min(width, end)]
        starts = end - usable
        totals = best[starts] + prices[usable - 1, counts[starts, usable - 1]]
        choice = int(totals.argmin())
        best[end], back[end] = totals[choice], usable[choice]
    cuts: list[tuple[int, int]] = []
    end = steps
    while end:
        if back[end]:
            cuts.append((end - int(back[end]), end - 1))
        end -= int(back[end]) or 1
    return cuts[::-1]


def _counts(missing: Mask, width: int) -> Ints:
    """counts[t, w]: keys with anything missing in the w + 1 steps from t."""
    import numpy as np

    by_step = np.ascontiguousarray(missing.T)
    steps, keys = by_step.shape
    counts = np.zeros((steps, width), dtype=np.int64)
    ahead = np.full(keys, width, dtype=np.int64)
    for step in range(steps - 1, -1, -1):
        ahead = np.where(by_step[step], 0, np.minimum(ahead + 1, width))
        counts[step] = np.bincount(ahead, minlength=width + 1)[:width].cumsum()
    return counts


def _prices(limits: Limits, keys: int, width: int) -> Ints:
    """prices[w, n]: what n keys cost in a window of w + 1 steps, calls first."""
    import numpy as np

    number = np.arange(keys + 1, dtype=np.int64)
    prices = np.zeros((width, keys + 1), dtype=np.int64)
    for steps in range(1, width + 1):
        size, pages = group_sizes(limits, steps)
        single = limits.fit(steps)
        whole, rest = number // size, number % size
        last = -(-rest * steps * limits.step_rows // limits.page_rows)
        calls, chained = whole * pages + last, whole * (pages - 1) + np.maximum(last - 1, 0)
        if single:
            alone = -(-number // single)
            chained = np.where(alone <= calls, 0, chained)
            calls = np.minimum(calls, alone)
        prices[steps - 1] = calls * _CALL + chained * 1024 + (number > 0)
    return prices
