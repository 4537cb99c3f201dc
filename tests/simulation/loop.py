"""An event loop with its own time: no I/O, no waiting, and a seed decides who goes first.

Time stands still while anything is ready to run and then jumps to the next timer, so a day passes in milliseconds. Of
all that is ready, the seed picks the next: every interleaving that a real loop could show can come up here.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
from asyncio import events
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any, TypeVar

T = TypeVar("T")
Step = Callable[[], None]


class Turn:
    """One callback to run. Stands in for asyncio's Handle and TimerHandle."""

    __slots__ = ("args", "call", "cancelled_", "context", "when_")

    def __init__(
        self, call: Callable[..., object], args: tuple[Any, ...], context: contextvars.Context, when: float = 0.0
    ) -> None:
        self.call = call
        self.args = args
        self.context = context
        self.when_ = when
        self.cancelled_ = False

    def cancel(self) -> None:
        self.cancelled_ = True

    def cancelled(self) -> bool:
        return self.cancelled_

    def when(self) -> float:
        return self.when_


class VirtualLoop(asyncio.AbstractEventLoop):
    """Runs coroutines until one is done. `after_step` is called after each turn: the invariants are checked there."""

    def __init__(self, chance: Random) -> None:
        self._random = chance.random
        self._ready: list[Turn] = []
        self._timers: list[tuple[float, int, Turn]] = []
        self._now = 0.0
        self._timer_count = 0
        self.turns = 0
        self.after_step: Step = lambda: None
        self.new_task: Callable[[asyncio.Task[Any]], None] = lambda task: None
        self.on_stray: Callable[[BaseException], None] = lambda error: None

    # ── what asyncio's tasks, futures and locks ask of a loop ────────────────────────────────────────────────────

    def time(self) -> float:
        return self._now

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def call_soon(self, callback: Any, *args: Any, context: contextvars.Context | None = None) -> Any:
        turn = Turn(callback, args, contextvars.copy_context() if context is None else context)
        self._ready.append(turn)
        return turn

    call_soon_threadsafe = call_soon

    def call_at(self, when: float, callback: Any, *args: Any, context: contextvars.Context | None = None) -> Any:
        turn = Turn(callback, args, contextvars.copy_context() if context is None else context, when)
        self._timer_count += 1
        heapq.heappush(self._timers, (when, self._timer_count, turn))
        return turn

    def call_later(self, delay: float, callback: Any, *args: Any, context: contextvars.Context | None = None) -> Any:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, *, name: str | None = None, context: Any = None, **_: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self, name=name, context=context)
        self.new_task(task)
        return task

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if error is not None:
            self.on_stray(error)

    # ── running ──────────────────────────────────────────────────────────────────────────────────────────────────

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Until the coroutine is done, or `after_step` raises. What is left over is cancelled."""
        outer = events._get_running_loop()
        events._set_running_loop(self)
        try:
            task = self.create_task(main)
            while not task.done():
                self._turn()
            return task.result()
        finally:
            self.after_step = lambda: None
            self._drain()
            events._set_running_loop(outer)

    def _drain(self) -> None:
        for task in asyncio.all_tasks(self):
            task.cancel()
        while self._ready:
            self._turn()
        self._timers.clear()

    def _turn(self) -> None:
        ready = self._ready
        if not ready:
            self._next_moment()
        place = int(self._random() * len(ready)) if len(ready) > 1 else 0
        turn = ready[place]
        ready[place] = ready[-1]
        ready.pop()
        if not turn.cancelled_:
            self.turns += 1
            turn.context.run(turn.call, *turn.args)
            self.after_step()

    def _next_moment(self) -> None:
        """Jump to the next timer and make ready all that are due then."""
        timers = self._timers
        while timers and timers[0][2].cancelled_:
            heapq.heappop(timers)
        if not timers:
            raise AssertionError("the simulated world waits for something that never comes")
        self._now = max(self._now, timers[0][0])
        while timers and timers[0][0] <= self._now:
            turn = heapq.heappop(timers)[2]
            if not turn.cancelled_:
                self._ready.append(turn)
