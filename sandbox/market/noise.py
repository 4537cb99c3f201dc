"""Seeded numbers that look like markets: smooth noise from hashes of (seed, stream, time).

A value at a time needs no earlier value, so any cell of any history costs the same few microseconds.
"""

from __future__ import annotations

from functools import lru_cache

_MASK = (1 << 64) - 1
_STEP = 0x9E3779B97F4A7C15
_UNIT = 1.0 / (1 << 63)
HOUR, DAY = 3600, 86400

Shape = tuple[tuple[int, float], ...]
"""Octaves: (period in seconds, amplitude) each."""


def mix(value: int) -> int:
    """A 64-bit hash of an integer (the finaliser of splitmix64)."""
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB & _MASK
    return value ^ (value >> 31)


def stream(seed: int, *parts: int | str) -> int:
    """The state of an independent stream, such as a token's price."""
    state = seed & _MASK
    for part in parts:
        number = part if isinstance(part, int) else int.from_bytes(part.encode()[:16].ljust(16, b"\0"), "big")
        state = mix((state * _STEP + number + 0x632BE59BD9B4E019) & _MASK)
    return state


@lru_cache(maxsize=1 << 18)
def knot(state: int, index: int) -> float:
    """A number in [-1, 1) for one point of a stream."""
    return mix((state + index * _STEP) & _MASK) * _UNIT - 1.0


def unit(state: int, index: int = 0) -> float:
    """A number in [0, 1)."""
    return (knot(state, index) + 1.0) * 0.5


def octaves(state: int, time: float, shape: Shape) -> float:
    """Knots a period apart with a smooth curve between them, summed over the octaves."""
    total = 0.0
    for period, weight in shape:
        index = int(time // period)
        at = time / period - index
        first = knot(state + period, index)
        total += weight * (first + (knot(state + period, index + 1) - first) * at * at * (3.0 - 2.0 * at))
    return total
