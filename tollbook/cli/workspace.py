"""Run a verb's work over a workspace opened from the environment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack, nullcontext
from typing import TypeVar

from payer.stop import StopRequest
from tasks.calls.log import log_to_stderr
from tasks.metrics.textfile import write_metrics
from tasks.workspace.stop_signals import StopSignals
from tasks.workspace.workspace import Workspace
from tollbook.cli import interruption
from tollbook.cli.terminal.output import Spinner
from tollbook.cli.terminal.progress import Blocks

T = TypeVar("T")


def in_workspace(
    work: Callable[[Workspace], Awaitable[T]],
    environ: Mapping[str, str] | None = None,
    *,
    waits: bool = False,
    says: str = "",
) -> T:
    """Run a coroutine over a workspace opened from the environment, and close the workspace whatever happens.

    Without `environ` that is this process's, over the file beside the policy. With `waits`, for verbs that pay: the
    first signal only requests the stop, and the work waits for what is on its way; a second one raises StoppedAtOnce.
    A terminal shows meanwhile what the command `says` it is doing.
    """

    left: list[int] = []

    async def opened() -> T:
        # Signals are taken until everything is closed: one that comes after the work must not cost its outcome.
        with ExitStack() as signals:
            async with Workspace.open(environ) as ws:
                log_to_stderr(ws.settings.log)
                ws.progress = Blocks()
                ws.searching_of = lambda server: Blocks(server=server)
                if waits:
                    signals.enter_context(_signals(ws.stop, left).installed())
                done = await work(ws)
                await write_metrics(ws)
                return done

    try:
        with Spinner().saying(says) if says else nullcontext():
            return asyncio.run(opened())
    except asyncio.CancelledError:
        if not left:
            raise
        raise interruption.StoppedAtOnce(f"stopped at once: {interruption.payments(left[0])}") from None


def _signals(stop: StopRequest, left: list[int]) -> StopSignals:
    """Make the signals of one run; `left` gets the number of payments on their way at the second one."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None, "called by the work's own task"

    def first(number: int) -> None:
        interruption.note(number)
        waiting = f"waiting for {stop.on_their_way} on their way" if stop.on_their_way else interruption.payments(0)
        interruption.say(f"stopping: no more calls are begun; {waiting} (a second signal stops at once)")

    def again(_number: int) -> None:
        if left:
            raise KeyboardInterrupt
        left.append(stop.on_their_way)
        interruption.say(f"stopped at once: {interruption.payments(left[0])}; `tollbook recover` asks for them")
        loop.call_soon_threadsafe(task.cancel)

    return StopSignals(stop, first, again)
