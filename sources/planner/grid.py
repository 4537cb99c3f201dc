"""Missing cells of a demand as a mask: keys × steps. A step is what one date of a window spans, in slots."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Mask = npt.NDArray[np.bool_]

Span = tuple[int, int]
"""First and last slot, both inclusive."""


def in_order(keys: Iterable[str]) -> tuple[str, ...]:
    """Each key once, whole numbers by value: a demand makes the same requests in whatever order its keys were typed."""
    return tuple(sorted(set(keys), key=lambda key: (not key.isdecimal(), len(key) if key.isdecimal() else 0, key)))


def merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Sort spans and join those that touch or overlap."""
    out: list[Span] = []
    for first, last in sorted(spans):
        if out and first <= out[-1][1] + 1:
            out[-1] = (out[-1][0], max(out[-1][1], last))
        else:
            out.append((first, last))
    return tuple(out)


def gaps(spans: Iterable[Span], first: int, last: int) -> tuple[Span, ...]:
    """The parts of first…last that no span covers, in order."""
    out: list[Span] = []
    start = first
    for a, b in merged(spans):
        if b < start or a > last:
            continue
        if a > start:
            out.append((start, a - 1))
        start = max(start, b + 1)
    return (*out, (start, last)) if start <= last else tuple(out)


@dataclass(frozen=True, slots=True)
class Grid:
    """`missing[k, t]` is True where some slot of key k in step t is neither held nor part of an open group.

    Step t begins at slot (origin + t) × per_step and has `per_step` slots.
    """

    keys: tuple[str, ...]
    origin: int
    per_step: int
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
    return Grid(tuple(keys), origin, per_step, missing)
