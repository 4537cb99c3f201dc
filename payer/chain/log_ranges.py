"""The block range that a server answers eth_getLogs for: learned once from its errors, and kept between runs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

PAGE_BLOCKS = 9_000
"""The widest range that is asked for."""


class LogRanges(Protocol):
    """Keeps learned ranges; the ledger does. Servers are named by their hosts."""

    async def in_thread(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call one of the others where it may wait for a database."""

    def log_range(self, server: str, now: datetime) -> int | None:
        """The range that is known for a server, None when there is none."""

    def keep_log_range(self, server: str, blocks: int, at: datetime) -> None:
        """Keep the range of a server."""


class RangesInMemory:
    """Ranges for as long as the process lives."""

    def __init__(self) -> None:
        self._blocks: dict[str, int] = {}

    async def in_thread(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return work(*args, **kwargs)

    def log_range(self, server: str, now: datetime) -> int | None:
        return self._blocks.get(server)

    def keep_log_range(self, server: str, blocks: int, at: datetime) -> None:
        self._blocks[server] = blocks
