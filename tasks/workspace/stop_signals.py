"""Turn SIGINT and SIGTERM into a stop request: what is on its way is waited for; a second signal stops at once."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

from payer.stop import StopRequest

STOPPING = (signal.SIGINT, signal.SIGTERM)

STDERR = 2
"""Where a handler writes: a buffered stream may be in use when the signal comes."""

ONE_SIGNAL_SECONDS = 0.25
"""Within this time a second signal is the first one again: a terminal and a wrapper may both send it."""


@dataclass(slots=True)
class StopSignals:
    """One process's signals while it buys. `first` is called with the signal of the first; `again` with that of each
    later one. They run between any two steps of the main thread: they may neither wait nor raise, save to end it."""

    stop: StopRequest
    first: Callable[[int], None]
    again: Callable[[int], None]
    _since: float | None = field(default=None, init=False)

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Take the signals while the block lasts; outside the main thread, which alone gets signals, take none."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._received) for number in STOPPING}
        try:
            yield
        finally:
            for number, action in before.items():
                signal.signal(number, action)

    def _received(self, number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._since is None:
            self._since = now
            self.stop.request()
            self.first(number)
        elif now - self._since >= ONE_SIGNAL_SECONDS:
            self.again(number)
