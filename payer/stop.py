"""Stop a run in the ordinary way: begin nothing more, and wait for the payments that are on their way (I11)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from payer.values.errors import Interrupted


class StopRequest:
    """Shared by all that one process buys with. Knows no signals: whoever wants the stop calls `request`.

    Looked at before each call is begun. `on_their_way` counts payments between signature and booked answer.
    """

    def __init__(self) -> None:
        self.requested = False
        self.on_their_way = 0
        self._blocks: set[_Interruptible] = set()

    def request(self) -> None:
        """Ask for the stop, from any place of the loop's thread, also from a signal handler."""
        self.requested = True
        for block in tuple(self._blocks):
            block.wake()

    def check(self) -> None:
        """Raise Interrupted once the stop is requested."""
        if self.requested:
            raise Interrupted("the run was stopped before this was begun")

    @contextmanager
    def payment(self) -> Iterator[None]:
        """Count a payment as on its way while the block lasts."""
        self.on_their_way += 1
        try:
            yield
        finally:
            self.on_their_way -= 1

    def interruptible(self) -> _Interruptible:
        """Make a block that the request ends with Interrupted, wherever it waits. For what has no money under way."""
        return _Interruptible(self)


class _Interruptible:
    """Cancels the task that waits in the block, as asyncio.timeout does, and turns that into Interrupted."""

    def __init__(self, stop: StopRequest) -> None:
        self._stop = stop
        self._woken = False

    def __enter__(self) -> Self:
        self._stop.check()
        task = asyncio.current_task()
        assert task is not None, "a block inside a task"
        self._task, self._loop, self._cancelling = task, asyncio.get_running_loop(), task.cancelling()
        self._stop._blocks.add(self)
        return self

    def wake(self) -> None:
        """Cancel as soon as the loop is back: then the task waits in the block, or has left it."""
        self._loop.call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        if self in self._stop._blocks and not self._woken:
            self._woken = True
            self._task.cancel()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop._blocks.discard(self)
        ours = self._woken and self._task.uncancel() <= self._cancelling
        if ours and kind is not None and issubclass(kind, asyncio.CancelledError):
            raise Interrupted("the run was stopped before this was begun") from None
