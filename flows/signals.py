"""The scheduled flow that keeps signals fresh."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows.keep_fresh import keep_fresh
from tasks.prefect.worker import PAUSE, RETRIES


@flow(name="signals", persist_result=False, retries=RETRIES, retry_delay_seconds=PAUSE)
async def signals(max_cost: str | None = None, tokens: str | None = None) -> State[Any]:
    """Buy what is missing or due of signals, load it and publish. Nothing is bought twice."""
    return await keep_fresh("signals", max_cost, tokens)
