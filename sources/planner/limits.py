"""A seller's limits on one call, and the calls that keys in a window cost under them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Ints = npt.NDArray[np.int64]

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
    """Paid calls that buy the block."""
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


def table_of_calls(limits: CallLimits, keys: int, width: int) -> Ints:
    """table[w, n]: calls for n keys in a window of w + 1 steps, grouped as by `split`."""
    return _tables(limits, keys, width)[0]


def table_of_chains(limits: CallLimits, keys: int, width: int) -> Ints:
    """table[w, n]: how many of those calls wait for an earlier page of their group."""
    return _tables(limits, keys, width)[1]


@lru_cache(maxsize=32)
def _tables(limits: CallLimits, keys: int, width: int) -> tuple[Ints, Ints]:
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
