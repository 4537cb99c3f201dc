"""World time: real time plus one offset, shared by market, facilitator and node. Buyers get it by environment."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


class WorldClock:
    """World time as seconds and as UTC datetimes. It never runs back: the chain could not follow.

    `offset`: seconds; the TOLLBOOK_CLOCK_OFFSET of this world's buyers.
    """

    def __init__(self, offset: float = 0.0, on_change: Callable[[], None] | None = None) -> None:
        self.offset = offset
        self._on_change = on_change

    def time(self) -> float:
        return time.time() + self.offset

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.time(), UTC)

    def advance(self, seconds: float | timedelta) -> None:
        """Move the world's time forward. Raises ValueError for a negative step."""
        step = seconds.total_seconds() if isinstance(seconds, timedelta) else float(seconds)
        if step < 0:
            raise ValueError("world time can't run back: start a world with a fresh home instead")
        self.offset += step
        if self._on_change is not None:
            self._on_change()

    def set(self, when: datetime) -> None:
        """Jump to a datetime with a time zone. Raises ValueError for one before now, or without a zone."""
        if when.tzinfo is None:
            raise ValueError("give a datetime with a time zone, such as datetime(2026, 1, 31, tzinfo=UTC)")
        self.advance((when - self.now()).total_seconds())
