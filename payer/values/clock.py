"""The clock that the payer reads and sleeps by, and the machine's own."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Protocol

from payer.values.errors import Misconfigured


class Clock(Protocol):
    """Time as a dependency, so that tests and the simulator control it."""

    def now(self) -> datetime:
        """Aware UTC."""

    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The machine's clock plus a fixed offset in seconds (a sandbox's; 0 everywhere else)."""

    def __init__(self, offset_seconds: float = 0) -> None:
        self._offset = timedelta(seconds=offset_seconds)

    def now(self) -> datetime:
        return datetime.now(UTC) + self._offset

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))


def clock_offset(environ: Mapping[str, str]) -> float:
    """Seconds to add to the clock, for a sandbox. Raises Misconfigured."""
    text = environ.get("TOLLBOOK_CLOCK_OFFSET") or "0"
    try:
        if math.isfinite(seconds := float(text)):
            return seconds
    except ValueError:
        pass
    raise Misconfigured(
        f"TOLLBOOK_CLOCK_OFFSET is not a number of seconds: {text!r}", advice="unset it, or write e.g. 3600"
    )
