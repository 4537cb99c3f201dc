"""End a run in the ordinary way: begin nothing more, and wait for the payments that are on their way (I11)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

from payer.values.errors import Interrupted

T = TypeVar("T")

_STOPPED = "the run was stopped before this was begun"


class StopRequest:
    """Shared by all that one process buys with. Knows no signals: whoever wants the stop calls `request`.

    Looked at before each call is begun. `on_their_way` counts payments between signature and booked answer.
    """

    def __init__(self) -> None:
        self.requested = False
        self.on_their_way = 0
        self._blocks: dict[asyncio.Timeout, asyncio.AbstractEventLoop] = {}

    def request(self) -> None:
        """Ask for the stop, from any place of the loop's thread, also from a signal handler."""
        self.requested = True
        for block, loop in tuple(self._blocks.items()):
            loop.call_soon_threadsafe(self._end, block)

    def check(self) -> None:
        """Raise Interrupted once the stop is requested."""
        if self.requested:
            raise Interrupted(_STOPPED)

    @contextmanager
    def payment(self) -> Iterator[None]:
        """Count a payment as on its way while the block lasts."""
        self.on_their_way += 1
        try:
            yield
        finally:
            self.on_their_way -= 1

    @asynccontextmanager
    async def interruptible(self) -> AsyncIterator[None]:
        """End the block with Interrupted at the request, wherever it waits. For what has no money under way."""
        self.check()
        block = asyncio.timeout(None)
        try:
            async with block:
                self._blocks[block] = asyncio.get_running_loop()
                try:
                    yield
                finally:
                    del self._blocks[block]
        except TimeoutError:
            if not block.expired():
                raise
            raise Interrupted(_STOPPED) from None

    def _end(self, block: asyncio.Timeout) -> None:
        """Let the block time out now, unless the task has left it since the request."""
        if block in self._blocks:
            block.reschedule(0)


async def all_ended(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Run all to their ends; return their results in order, or raise the first one's exception then.

    `asyncio.gather` raises as soon as one fails. The loop that ends after it cancels the others, and with them requests
    that have paid (I11).
    """
    ends = await asyncio.gather(*work, return_exceptions=True)
    for end in ends:
        if isinstance(end, BaseException):
            raise end
    return [end for end in ends if not isinstance(end, BaseException)]
