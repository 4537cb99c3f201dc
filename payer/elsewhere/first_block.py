"""Find the block in which a day or a month begins, by the times of a few dozen blocks."""

from __future__ import annotations

from payer.chain.chain import ChainReader, Head

CLOSE = 256
"""Blocks before the right one that are near enough: reading them costs less than finding it."""

_PROBES = 15


async def first_block(chain: ChainReader, head: Head, since: float) -> int:
    """Return the first block that is not before `since` (unix seconds), or one at most CLOSE blocks lower.

    Reads the times of blocks twice as far from the head each, then of a few between two of them: four requests on a
    chain of forty million blocks. Above the head when nothing is that new. Raises ChainUnreachable.
    """
    if head.time < since:
        return head.number + 1
    low, high = -1, head.number
    probes = [head.number - CLOSE * 2**power for power in range(40) if CLOSE * 2**power <= head.number]
    while probes:
        times = await chain.block_times(probes)
        high = min([high, *(block for block, time in times.items() if time >= since)])
        low = max([low, *(block for block, time in times.items() if time < since and block < high)])
        probes = _between(low, high)
    return low + 1


def _between(low: int, high: int) -> list[int]:
    """Blocks spread evenly between two; none once they are close to each other."""
    if high - low <= CLOSE:
        return []
    return sorted({low + (high - low) * part // (_PROBES + 1) for part in range(1, _PROBES + 1)} - {low, high})
