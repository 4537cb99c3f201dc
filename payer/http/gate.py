"""Limit a seller's requests: so many at once, so many a minute, and none before a Retry-After has passed.

They are spaced evenly, for one process or for all processes of a machine. The workers of a PostgreSQL ledger share a
pace in there (payer/ledger/workers.py). A slot is taken when a request leaves and never in advance: a process
that dies or waits longer wastes none.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Protocol

from payer.values.clock import Clock
from payer.values.durable import make_private_folder
from payer.values.errors import LedgerUnavailable

LONGEST_PAUSE_SECONDS = 60.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DIGITS = 17


class Pace(Protocol):
    """The next free slot of one seller. Both methods raise LedgerUnavailable where it can't be kept."""

    async def take(self, now: datetime) -> float:
        """Take the slot and return 0.0, or return the seconds until the next one."""

    async def hold(self, until: datetime, now: datetime) -> None:
        """Give no slot before a time."""


class RequestPace:
    """`Pace` kept in the file `path`, under its lock, or without one in memory."""

    def __init__(self, requests_per_minute: int, path: Path | None = None) -> None:
        self._gap = timedelta(seconds=60 / requests_per_minute)
        self._longest = max(self._gap.total_seconds(), LONGEST_PAUSE_SECONDS)
        self._path = path
        self._next = _EPOCH

    async def take(self, now: datetime) -> float:
        with self._locked():
            left = (self._next - now).total_seconds()
            # A slot further off than any pause was written before the clock was set back.
            if 0 < left <= self._longest:
                return left
            self._next = now + self._gap
            return 0.0

    async def hold(self, until: datetime, _now: datetime) -> None:
        with self._locked():
            self._next = max(self._next, until)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Read the slot from the file, and write it back when the block ends."""
        if self._path is None:
            yield
            return
        try:
            make_private_folder(self._path.parent)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                text = os.pread(descriptor, _DIGITS, 0)
                kept = int(text) if len(text) == _DIGITS and text.isdigit() else 0
                self._next = _EPOCH + kept * _MICROSECOND
                yield
                os.pwrite(descriptor, b"%0*d" % (_DIGITS, (self._next - _EPOCH) // _MICROSECOND), 0)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise LedgerUnavailable(f"the pace of requests can't be kept in {self._path}: {error.strerror}") from None


class Gate:
    """Held around each request to a seller. A pause that one request is told of delays all of them."""

    def __init__(self, clock: Clock, parallel: int, pace: Pace | None = None) -> None:
        self._clock = clock
        self._slots = asyncio.Semaphore(parallel)
        self._pace = pace
        self._open_at = _EPOCH
        self._inside: set[asyncio.Task[object] | None] = set()

    async def pause(self, seconds: float) -> None:
        """Delay every request by at most LONGEST_PAUSE_SECONDS; a longer pause already set stays."""
        now = self._clock.now()
        until = now + timedelta(seconds=min(max(seconds, 0.0), LONGEST_PAUSE_SECONDS))
        self._open_at = max(self._open_at, until)
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
        left = (self._open_at - now).total_seconds()
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
