"""The fewest paid pages that cover missing cells: rectangles of keys × steps under a seller's limits on one call. Pure.

A block is a window of steps and the keys asked for in it. It costs ⌈keys × steps × rows per step ÷ rows per page⌉
calls. Time is cut once for all keys, by dynamic programming over windows: the fewest calls of that shape. Where it
saves calls, a window's last page with room left reaches further back, newest window first, for the keys that miss most
there: earlier windows get fewer keys or become shorter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from sources.planner.held import Span

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Ints = npt.NDArray[np.int64]
    Mask = npt.NDArray[np.bool_]

PAGES = 10
"""Pages in one group at most: they are read one after another."""


@dataclass(frozen=True, slots=True)
class CallLimits:
    """At most `page_rows` rows a page, `width` steps a window, `ids` keys a call; a key has `step_rows` a step."""

    page_rows: int
    step_rows: int
    width: int
    ids: int

    def pages(self, keys: int, steps: int) -> int:
        """Pages that so many keys in a window of so many steps fill."""
        return -(-keys * steps * self.step_rows // self.page_rows)

    def fit(self, steps: int, pages: int = 1) -> int:
        """Keys that fit into so many pages of a window, within the limit on keys a call."""
        return min(self.ids, pages * self.page_rows // (steps * self.step_rows))

    def longest(self, keys: int, steps: int) -> int:
        """Steps of the longest window in which so many keys fill no more pages than in a window of `steps`."""
        return min(self.width, self.pages(keys, steps) * self.page_rows // (keys * self.step_rows))


@dataclass(frozen=True, slots=True)
class Block:
    """One group of pages: keys (rows of a mask) in a window of steps, both ends inclusive."""

    first: int
    last: int
    keys: tuple[int, ...]

    @property
    def steps(self) -> int:
        return self.last - self.first + 1


def calls_of(limits: CallLimits, block: Block) -> int:
    return limits.pages(len(block.keys), block.steps)


@cache
def group_size(limits: CallLimits, steps: int) -> tuple[int, int]:
    """Keys and pages of the group that fills its pages best in windows of so many steps; the fewest pages win ties."""
    best = (0, 1)
    for pages in range(1, PAGES + 1):
        keys = limits.fit(steps, pages)
        if keys * best[1] > best[0] * pages:
            best = (keys, pages)
    return best if best[0] else (1, limits.pages(1, steps))


def split(limits: CallLimits, keys: int, steps: int) -> list[int]:
    """Numbers of keys per group for one window: the fewest pages, and groups of one page where they cost no more."""
    single = limits.fit(steps)
    size, pages = group_size(limits, steps)
    whole, rest = divmod(keys, size)
    if single and -(-keys // single) <= whole * pages + limits.pages(rest, steps):
        return _even(keys, single)
    if single and -(-rest // single) <= limits.pages(rest, steps):
        return [size] * whole + _even(rest, single)
    return [size] * whole + ([rest] if rest else [])


def _even(keys: int, size: int) -> list[int]:
    whole, rest = divmod(keys, size)
    return [size] * whole + ([rest] if rest else [])


@lru_cache(maxsize=32)
def call_tables(limits: CallLimits, keys: int, width: int) -> tuple[Ints, Ints]:
    """Two tables for n keys in a window of w + 1 steps, at [w, n]: the calls, grouped as by `split`, and how many of
    them wait for an earlier page of their group."""
    import numpy as np

    number = np.arange(keys + 1, dtype=np.int64)
    calls = np.zeros((width, keys + 1), dtype=np.int64)
    chains = np.zeros((width, keys + 1), dtype=np.int64)
    for steps in range(1, width + 1):
        size, pages = group_size(limits, steps)
        single = limits.fit(steps)
        whole, rest = number // size, number % size
        last = -(-rest * steps * limits.step_rows // limits.page_rows)
        grouped, chained = whole * pages + last, whole * (pages - 1) + np.maximum(last - 1, 0)
        if single:
            alone = -(-number // single)
            chained = np.where(alone <= grouped, 0, chained)
            grouped = np.minimum(grouped, alone)
        calls[steps - 1], chains[steps - 1] = grouped, chained
    return calls, chains


_CALL = 1 << 20
"""Weight of a call against the tie-breakers: first fewer waiting pages, then fewer windows."""


@dataclass(frozen=True, slots=True)
class Grid:
    """`missing[k, t]` is True where some slot of key k in step t is neither held nor part of an open group.

    Step t begins at slot (origin + t) × the slots of a step.
    """

    origin: int
    missing: Mask


def grid(keys: Sequence[str], first: int, last: int, per_step: int, held: Mapping[str, Sequence[Span]]) -> Grid:
    """The mask of keys × first…last. A step counts as held only when all of its demanded slots are."""
    import numpy as np

    origin, end = first // per_step, last // per_step
    missing = np.ones((len(keys), end - origin + 1), dtype=np.bool_)
    for row, key in enumerate(keys):
        for a, b in held.get(key, ()):
            if b < first or a > last:
                continue
            start = origin if a <= first else -(-a // per_step)
            stop = end if b >= last else (b + 1) // per_step - 1
            if start <= stop:
                missing[row, start - origin : stop - origin + 1] = False
    return Grid(origin, missing)


def covering_blocks(missing: Mask, limits: CallLimits) -> list[Block]:
    """Blocks that cover every missing cell (keys × steps), in order of time."""
    windows = _windows(missing, limits)
    ways = (_blocks(missing, windows, limits, reach=False), _blocks(missing, windows, limits, reach=True))
    return min(ways, key=lambda blocks: sum(calls_of(limits, block) for block in blocks))


def _blocks(missing: Mask, windows: list[tuple[int, int]], limits: CallLimits, *, reach: bool) -> list[Block]:
    """The windows as blocks. `reach`: what is left of the last page of each serves earlier windows."""
    import numpy as np

    blocks: list[Block] = []
    left = np.array(missing.T, order="C")
    for begin, end in reversed(windows):
        steps = begin + np.flatnonzero(left[begin : end + 1].any(axis=1))
        if not steps.size:
            continue
        first, last = int(steps[0]), int(steps[-1])
        rows = np.flatnonzero(left[first : last + 1].any(axis=0))
        sizes = split(limits, len(rows), last - first + 1)
        size = sizes[-1]
        back = max(0, last + 1 - limits.longest(size, last - first + 1)) if reach else first
        reaching = np.argsort(left[back:first, rows].sum(axis=0), kind="stable")[-size:]
        rows = np.concatenate((np.delete(rows, reaching), np.sort(rows[reaching])))
        window = left[back : last + 1, rows]
        window[: first - back, :-size] = False
        left[back:first, rows[-size:]] = False
        starts = back + window.argmax(axis=0)
        stops = last - window[::-1].argmax(axis=0)
        edges = np.cumsum([0, *sizes[:-1]])
        ends = zip(np.minimum.reduceat(starts, edges).tolist(), np.maximum.reduceat(stops, edges).tolist(), strict=True)
        names, at = rows.tolist(), 0
        for size, (start, stop) in zip(sizes, ends, strict=True):
            blocks.append(Block(start, stop, tuple(names[at : at + size])))
            at += size
    return sorted(blocks, key=lambda block: (block.first, block.last, block.keys))


def _windows(missing: Mask, limits: CallLimits) -> list[tuple[int, int]]:
    """Windows in order, found by dynamic programming over the start of the last one."""
    import numpy as np

    keys, steps = missing.shape
    width = min(limits.width, steps)
    counts = _counts(missing, width)
    calls, chains = call_tables(limits, keys, width)
    prices = calls * _CALL + chains * 1024 + 1
    prices[:, 0] = 0
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
    return _path(back.tolist())


def _path(back: list[int]) -> list[tuple[int, int]]:
    """Follow the lengths of last windows back to the start; a step where nothing is missing has none."""
    windows: list[tuple[int, int]] = []
    end = len(back) - 1
    while end:
        if back[end]:
            windows.append((end - back[end], end - 1))
        end -= back[end] or 1
    return windows[::-1]


def _counts(missing: Mask, width: int) -> Ints:
    """counts[t, w]: keys that miss anything in the w + 1 steps from t on."""
    import numpy as np

    by_step = np.ascontiguousarray(missing.T)
    steps, keys = by_step.shape
    counts = np.zeros((steps, width), dtype=np.int64)
    distance = np.full(keys, width, dtype=np.int64)
    for step in range(steps - 1, -1, -1):
        distance = np.where(by_step[step], 0, np.minimum(distance + 1, width))
        counts[step] = np.bincount(distance, minlength=width + 1)[:width].cumsum()
    return counts
