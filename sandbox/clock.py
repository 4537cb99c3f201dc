"""World time: real time plus one offset, shared by market, facilitator and node (a buyer gets it by environment)."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


class WorldClock:
    """Seconds and aware UTC datetimes of the world. Time never runs back: the chain could not follow."""

    def __init__(self, offset: float = 0.0, on_change: Callable[[], None] | None = None) -> None:
        self._offset = offset
        self._on_change = on_change

    @property
    def offset(self) -> float:
        """What TOLLBOOK_CLOCK_OFFSET must be for a buyer of this world."""
        return self._offset

    def time(self) -> float:
        return time.time() + self._offset

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.time(), UTC)

    def advance(self, seconds: float | timedelta) -> None:
        """Move the whole world forward."""
        step = seconds.total_seconds() if isinstance(seconds, timedelta) else float(seconds)
        if step < 0:
            raise ValueError("world time can't run back: start a world with a fresh home instead")
        self._offset += step
        if self._on_change is not None:
            self._on_change()

    def set(self, when: datetime) -> None:
        """Jump to an aware datetime not before now."""
        if when.tzinfo is None:
            raise ValueError("give an aware datetime, such as datetime(2026, 1, 31, tzinfo=UTC)")
        self.advance((when - self.now()).total_seconds())
