"""One gate per seller: how many requests at once, how often, and not before the seller said "come back later"."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from types import TracebackType

from tollbook.payer.types import Clock

LONGEST_PAUSE_SECONDS = 60.0


class Gate:
    """Held around each request of a seller. A pause met by one request holds all of them up."""

    def __init__(self, clock: Clock, parallel: int, requests_per_minute: int = 0) -> None:
        self._clock = clock
        self._places = asyncio.Semaphore(parallel)
        self._gap = timedelta(seconds=60 / requests_per_minute) if requests_per_minute else timedelta(0)
        self._open_at: datetime | None = None
        self._next_at: datetime | None = None

    def pause(self, seconds: float) -> None:
        """Let nobody through for a while, at most LONGEST_PAUSE_SECONDS; a longer pause already set stays."""
        until = self._clock.now() + timedelta(seconds=min(max(seconds, 0.0), LONGEST_PAUSE_SECONDS))
        self._open_at = until if self._open_at is None else max(self._open_at, until)

    async def wait(self) -> None:
        """Return once a request may leave."""
        while (seconds := self._seconds_left()) > 0:
            await self._clock.sleep(seconds)
        if self._gap:
            self._next_at = max(self._clock.now(), self._next_at or self._clock.now()) + self._gap

    def _seconds_left(self) -> float:
        times = [at for at in (self._open_at, self._next_at) if at is not None]
        return (max(times) - self._clock.now()).total_seconds() if times else 0.0

    async def __aenter__(self) -> None:
        await self._places.acquire()
        try:
            await self.wait()
        except BaseException:
            self._places.release()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._places.release()


def retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds that a Retry-After asks for (RFC 9110 §10.2.3), bounded; None when there is none or it can't be read."""
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
