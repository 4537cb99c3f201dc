"""The body that the scheduled flows share: an ingestion with its steps as Prefect tasks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from prefect.client.schemas.objects import State

from flows.ingest import ingest
from tasks.buy.bill import Bill
from tasks.prefect.artifacts import bill_artifact, cost_artifact, environ_with_key, failure, verdict
from tasks.prefect.progress import Shown
from tasks.prefect.steps import as_task, prefect_run
from tasks.request.build import ask_fresh, budget_of, datasets_of
from tasks.request.keys import check_named
from tasks.request.tokens import keys_named
from tasks.workspace.cache_trouble import in_plain_words
from tasks.workspace.failures import PayerError
from tasks.workspace.workspace import Workspace

RETRIES, PAUSE = 2, 60
"""Repeating a run is safe: it recovers first, and nothing is bought twice. See docs/operating.md."""


async def show(bill: Bill) -> int | None:
    """The bill as an artifact; policy's caps and the flow's own maximum decide."""
    await bill_artifact(bill)
    return None


async def keep_fresh(name: str, max_cost: str | None, tokens: str | None) -> State[Any]:
    """One run of a feed or dataset, as of the time it was scheduled for."""

    async def work(ws: Workspace) -> State[Any]:
        run, at = prefect_run(ws, name, "manual")
        check_named(datasets_of([name]), tokens, ())
        keys = await keys_named(ws, tokens)
        ask = ask_fresh(ws, name, reason=run.reason, at=at, keys=keys)
        run, at = prefect_run(ws, name, run.reason, budget=budget_of(ws, [name], max_cost))
        async with Shown() as watch:
            outcome = await ingest(ws, ask, run, call=as_task, watch=watch, agree=show)
        await cost_artifact(ws)
        return verdict(outcome)

    return await in_workspace(work)


class RunFailed(Exception):
    """Raised when a run has not done what it was for; the words say what happened to the money.

    Raised, since Prefect repeats a flow that raises; one that returns a failed state while repeats are left is ended as
    crashed in a worker (seen in 3.8.8).
    """


async def in_workspace(work: Callable[[Workspace], Awaitable[State[Any]]]) -> State[Any]:
    """Open the worker's workspace for the work. Raises RunFailed for what failed, and for an error of ours."""
    try:
        with in_plain_words():
            async with Workspace.open(await environ_with_key()) as ws:
                state = await work(ws)
    except PayerError as error:
        state = failure(error)
    if state.is_failed():
        raise RunFailed(state.message or "the run failed")
    return state
