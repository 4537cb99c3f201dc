"""The fewest paid pages that cover missing cells: rectangles of keys × steps under a seller's limits. Pure.

A block is a window of steps and the keys asked for in it. It costs ⌈keys × steps × rows per step ÷ rows per page⌉
calls. Time is cut once for all keys, by dynamic programming over windows: the fewest calls of that shape. Where it
saves calls, a window's last page with room left reaches further back, newest window first, for the keys that miss most
there: earlier windows get fewer keys or become shorter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sources.planner.limits import Block, CallLimits, calls_of, split, table_of_calls, table_of_chains

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from sources.planner.grid import Mask

    Ints = npt.NDArray[np.int64]

_CALL = 1 << 20
"""Weight of a call against the tie-breakers: first fewer waiting pages, then fewer windows."""


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
    prices = table_of_calls(limits, keys, width) * _CALL + table_of_chains(limits, keys, width) * 1024 + 1
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
