"""How often a seller may be asked, evenly spaced: by one process, or by all the processes of a machine.

A slot is taken when a request leaves and never booked ahead: who dies before, or is held up longer, wastes none.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from payer.values.errors import LedgerUnavailable

LONGEST_PAUSE_SECONDS = 60.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DIGITS = 17


class Pace:
    """The next free slot of one seller. With a `path` it lies in that file, locked while it is looked at."""

    def __init__(self, requests_per_minute: int, path: Path | None = None) -> None:
        self._gap = timedelta(seconds=60 / requests_per_minute)
        self._longest = max(self._gap.total_seconds(), LONGEST_PAUSE_SECONDS)
        self._path = path
        self._next = _EPOCH

    def take(self, now: datetime) -> float:
        """0.0, and the slot is the caller's; or the seconds until the next one. Raises LedgerUnavailable."""
        with self._alone():
            left = (self._next - now).total_seconds()
            # A slot further off than any pause was written by a clock that has been set back since.
            if 0 < left <= self._longest:
                return left
            self._next = now + self._gap
            return 0.0

    def hold(self, until: datetime) -> None:
        """Nobody before this time."""
        with self._alone():
            self._next = max(self._next, until)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if self._path is None:
            yield
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX)
                self._next = _read(handle)
                yield
                os.pwrite(handle, b"%0*d" % (_DIGITS, (self._next - _EPOCH) // _MICROSECOND), 0)
            finally:
                os.close(handle)
        except OSError as error:
            raise LedgerUnavailable(f"the pace of requests can't be kept in {self._path}: {error.strerror}") from None


def _read(handle: int) -> datetime:
    text = os.pread(handle, _DIGITS, 0)
    return _EPOCH + int(text) * _MICROSECOND if len(text) == _DIGITS and text.isdigit() else _EPOCH
