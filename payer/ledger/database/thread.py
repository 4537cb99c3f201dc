"""One thread for what a process asks of its ledger, so that waiting for the ledger is never network time.

A database call can block for as long as another process holds the write lock. On the event loop's thread that would
keep an answer unread until its request runs into its timeout.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from queue import SimpleQueue
from typing import Any, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_CLOSE_SECONDS = 35.0
"""Longer than the ledger waits for a lock."""


class LedgerWork(Generic[T]):
    """One piece of work that was given to the thread. A coroutine of the loop that gave it waits for its end."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._context = copy_context()
        self._loop = asyncio.get_running_loop()
        self._future: Future[T] = Future()
        self._future.add_done_callback(self._tell)
        self._ended = asyncio.Event()

    def run(self) -> None:
        """Do the work in the ledger's thread, unless it was given up."""
        if not self._future.set_running_or_notify_cancel():
            return
        try:
            self._future.set_result(self._context.run(self._work))
        except BaseException as error:  # noqa: BLE001 - raised where the work is waited for
            self._future.set_exception(error)

    async def ends_within(self, seconds: float) -> bool:
        """Wait so long. The work goes on whatever happens here, also when the wait is cancelled."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ended.wait()
        return self._ended.is_set()

    async def outcome(self) -> T:
        """Return the result, or raise the work's exception.

        Cancelled, work that has not begun is given up. What has begun is waited for before CancelledError is raised, so
        that a commit is never left half-known.
        """
        try:
            await self._ended.wait()
        except asyncio.CancelledError:
            await self.give_up()
            raise
        return self._future.result()

    async def give_up(self) -> bool:
        """Take the work back unless it has begun; then wait for its end. True if it was done."""
        self._future.cancel()
        while not self._ended.is_set():
            with suppress(asyncio.CancelledError):
                await self._ended.wait()
        return not self._future.cancelled() and self._future.exception() is None

    def _tell(self, _future: Future[T]) -> None:
        # A loop that is closed has nobody who waits.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._ended.set)


class FinishedWork(Generic[T]):
    """Work that was done where it was given."""

    def __init__(self, result: T) -> None:
        self._result = result

    async def ends_within(self, _seconds: float) -> bool:
        return True

    async def outcome(self) -> T:
        return self._result

    async def give_up(self) -> bool:
        return True


class LedgerThread:
    """Does what it is given one after the other, in that order. The thread begins with the first work.

    `inline` does everything at once, where it is given: for a ledger in memory, and for simulated time.
    """

    def __init__(self, *, inline: bool = False) -> None:
        self._inline = inline
        self._queue: SimpleQueue[LedgerWork[Any] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    async def run(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Do in the thread what reaches the ledger, and return its result; the event loop goes on meanwhile.

        Cancelled, what was not begun is given up, and what was begun is waited for.
        """
        return await self.begin(work, *args, **kwargs).outcome()

    def begin(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> LedgerWork[T] | FinishedWork[T]:
        """Begin in the thread what reaches the ledger; `outcome` waits for it."""
        if self._inline:
            return FinishedWork(work(*args, **kwargs))
        given = LedgerWork(partial(work, *args, **kwargs))
        if self._thread is None:
            self._queue = SimpleQueue()
            self._thread = threading.Thread(target=_work, args=(self._queue,), name="tollbook-ledger", daemon=True)
            self._thread.start()
        self._queue.put(given)
        return given

    async def beside(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Do what needs no ledger in another thread, also while this one waits."""
        return work(*args, **kwargs) if self._inline else await asyncio.to_thread(work, *args, **kwargs)

    def close(self) -> None:
        """End the thread after what it was given. One that waits for a dead server ends with the process."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._queue.put(None)
            thread.join(_CLOSE_SECONDS)


def _work(queue: SimpleQueue[LedgerWork[Any] | None]) -> None:
    while (given := queue.get()) is not None:
        given.run()
        del given
