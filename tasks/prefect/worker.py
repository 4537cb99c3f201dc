"""Run a flow's work in the worker's own workspace, and fail the flow run with the command's words."""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from prefect.blocks.system import Secret
from prefect.client.schemas.objects import State

from payer.values.errors import Interrupted, PayerError
from payer.wallet.load import names_wallet
from tasks.metrics.textfile import write_metrics
from tasks.prefect.flow_run import give_up_retries
from tasks.prefect.process import leave_dead_parent
from tasks.prefect.progress import calls_in_run_log
from tasks.prefect.verdict import Verdict, failure, stopped
from tasks.workspace.cache_trouble import as_payer_errors
from tasks.workspace.environment import environment
from tasks.workspace.stop_signals import STDERR, StopSignals
from tasks.workspace.workspace import Workspace

RETRIES, PAUSE = 2, 60
"""Retries of a flow, and seconds between them. A repeated run recovers first and buys nothing twice."""

KEY_BLOCK = "tollbook-private-key"
"""Name of the Secret block that may hold the paying key, for workers without it in their environment."""


class RunFailed(Exception):
    """Raised when a run has not done what it was for; its text says what happened to the money.

    Raised, because Prefect retries a flow that raises; a flow that returns a failed state while retries are left ends
    as crashed in a worker (seen in 3.8.8).
    """


async def in_workspace(work: Callable[[Workspace], Awaitable[Verdict]]) -> State[Any]:
    """Open the worker's workspace for the work. Raises RunFailed for a failed state, and for an error of ours.

    What would fail again is not repeated, whatever retries the flow has: policy, caps, keys, configuration, losses.

    SIGTERM (a cancelled flow run, a worker that stops, `docker stop`) and SIGINT stop the run in the ordinary way: what
    was paid and is on its way is waited for, booked, loaded and told, and the flow run ends as Cancelled.
    """
    try:
        with as_payer_errors():
            async with Workspace.open(await environ_with_key()) as ws:
                with stop_signals(ws).installed(), calls_in_run_log(ws.settings.log):
                    ended = await work(ws)
                    await write_metrics(ws)
    except Interrupted:
        return stopped()
    except PayerError as error:
        ended = failure(error)
    if ended.state.is_failed():
        if not ended.again:
            await give_up_retries()
        raise RunFailed(ended.state.message or "the run failed")
    return ended.state


def stop_signals(ws: Workspace) -> StopSignals:
    """Make the signals of a flow run's process.

    SIGTERM may come several times, from the worker and to its process group; only SIGKILL ends the waiting then, or a
    second Ctrl-C.
    """

    def first(_number: int) -> None:
        leave_dead_parent()
        with suppress(OSError):
            os.write(STDERR, f"tollbook: no more calls are begun, {ws.stop.on_their_way} are waited for\n".encode())

    def again(number: int) -> None:
        if number == signal.SIGINT:
            raise KeyboardInterrupt

    return StopSignals(ws.stop, first, again)


async def environ_with_key() -> dict[str, str]:
    """Return the worker's environment over the file `.env` beside its policy; where neither names a wallet, with the
    Secret block's key (kept in this process)."""
    environ = environment()
    if names_wallet(environ):
        return environ
    try:
        block: Any = await Secret.aload(KEY_BLOCK)
    except ValueError:
        return environ
    return {**environ, "TOLLBOOK_PRIVATE_KEY": str(block.get())}
