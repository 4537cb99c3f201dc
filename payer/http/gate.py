"""Limit a seller's requests: so many at once, so many a minute, and none before a Retry-After has passed."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

from payer.http.pace import LONGEST_PAUSE_SECONDS, Pace
from payer.values.clock import Clock
from payer.values.errors import LedgerUnavailable


class Gate:
    """Held around each request to a seller. A pause that one request is told of delays all of them."""

    def __init__(self, clock: Clock, parallel: int, pace: Pace | None = None) -> None:
        self._clock = clock
        self._slots = asyncio.Semaphore(parallel)
        self._pace = pace
        self._open_at: datetime | None = None
        self._inside: set[asyncio.Task[object] | None] = set()

    async def pause(self, seconds: float) -> None:
        """Delay every request by at most LONGEST_PAUSE_SECONDS; a longer pause already set stays."""
        now = self._clock.now()
        until = now + timedelta(seconds=min(max(seconds, 0.0), LONGEST_PAUSE_SECONDS))
        self._open_at = until if self._open_at is None else max(self._open_at, until)
        if self._pace is not None:
            # The answer that told of the pause must not be lost with a ledger that is away; this process pauses anyway.
            with suppress(LedgerUnavailable):
                await self._pace.hold(until, now)

    @property
    def is_passed(self) -> bool:
        return asyncio.current_task() in self._inside

    async def wait(self) -> None:
        """Return once a request may leave."""
        while (seconds := await self._seconds_left()) > 0:
            await self._clock.sleep(seconds)

    async def _seconds_left(self) -> float:
        now = self._clock.now()
        left = 0.0 if self._open_at is None else (self._open_at - now).total_seconds()
        if 0 < left <= LONGEST_PAUSE_SECONDS:
            return left
        return 0.0 if self._pace is None else await self._pace.take(now)

    async def __aenter__(self) -> None:
        await self._slots.acquire()
        try:
            await self.wait()
        except BaseException:
            self._slots.release()
            raise
        self._inside.add(asyncio.current_task())

    async def __aexit__(self, *_error: object) -> None:
        self._inside.discard(asyncio.current_task())
        self._slots.release()


def retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds of a Retry-After (RFC 9110 section 10.2.3), at most LONGEST_PAUSE_SECONDS; None when unreadable."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), LONGEST_PAUSE_SECONDS)
    try:
        at = parsedate_to_datetime(text)
        seconds = (at - now).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), LONGEST_PAUSE_SECONDS)
