"""Run a flow's work in the worker's own workspace, and fail the flow run with the command's words."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from prefect.blocks.system import Secret
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.logging import get_logger
from prefect.settings import get_current_settings
from prefect.states import Cancelled

from payer.values.errors import Interrupted, PayerError
from payer.wallet.load import names_wallet
from tasks.metrics.textfile import write_metrics
from tasks.prefect.flow_run import SERVER_SECONDS, flow_run_context, give_up_retries
from tasks.prefect.process import leave_dead_parent
from tasks.prefect.progress import calls_in_run_log
from tasks.prefect.verdict import Verdict, failure
from tasks.workspace.cache_trouble import as_payer_errors
from tasks.workspace.settings import environment
from tasks.workspace.stop_signals import STDERR, StopSignals
from tasks.workspace.workspace import Workspace

RETRIES, PAUSE = 2, 60
"""Retries of a flow, and seconds between them. A repeated run recovers first and buys nothing twice."""

ALONE = (
    "Money: what was sent is booked in the ledger, see `tollbook status`. Run it again? Yes: nothing is bought twice. "
    "This process tries to send Prefect its events for some minutes yet; it may be stopped."
)

EVENT_LOGGERS = ("prefect.events.clients", "prefect._internal.concurrency")
"""Loggers of Prefect that say for each event, in a line of a thousand characters, that the server is gone."""

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
        return Cancelled(message="stopped before anything was bought")
    except PayerError as error:
        ended = failure(error)
    await tell_log(ended.state)
    if ended.state.is_failed():
        if not ended.again:
            await give_up_retries()
        raise RunFailed(ended.state.message or "the run failed")
    return ended.state


async def tell_log(state: State[Any]) -> None:
    """Log how the run ended and what it did with money, which nobody else says once the server is gone.

    Prefect then fails to set the run's final state, and shows an error of its own that speaks of connections.
    """
    log = get_logger("tollbook")
    log.info("%s: %s", state.name, state.message or "")
    if why := await server_trouble():
        log.error("Prefect's server does not answer (%s) and may show this run as running or crashed. %s", why, ALONE)
        for name in EVENT_LOGGERS:
            logging.getLogger(name).disabled = True


async def server_trouble() -> str:
    """Return why Prefect's server does not answer, "" if it does, and where the run has none but its own."""
    if flow_run_context() is None or not get_current_settings().api.url:
        return ""
    try:
        async with asyncio.timeout(SERVER_SECONDS), get_client() as client:
            error = await client.api_healthcheck()
    except Exception as trouble:  # noqa: BLE001 - whatever the network says, the run has ended
        error = trouble
    return f"{type(error).__name__} {error}".strip() if error is not None else ""


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
