"""The scheduled flow that keeps signals fresh."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows.keep_fresh import keep_fresh
from tasks.prefect.flow_run import run_name
from tasks.prefect.parameters import MaxCost, Tokens
from tasks.prefect.worker import PAUSE, RETRIES


@flow(name="signals", flow_run_name=run_name, persist_result=False, retries=RETRIES, retry_delay_seconds=PAUSE)
async def signals(max_cost: MaxCost = None, tokens: Tokens = None) -> State[Any]:
    """Buy what is missing or due of signals, load it and publish. Nothing is bought twice."""
    return await keep_fresh("signals", max_cost, tokens)
