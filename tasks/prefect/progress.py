"""Show a flow's progress in Prefect: lines in its log, and a progress artifact that is updated while it buys."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.exceptions import MissingContextError
from prefect.logging import get_run_logger

from payer.values.purchase import Purchase
from tasks.buy.bill import Bill
from tasks.buy.watch import Counting
from tasks.calls.log import LOGGER, JsonFormatter
from tasks.prefect.artifacts import slug
from tasks.prefect.flow_run import SERVER_SECONDS
from tasks.workspace.settings import LOG_JSON

EVERY_SECONDS = 2.0
CALLS_A_LINE = 25


class ProgressArtifact(Counting):
    """`async with ProgressArtifact() as watch:` around a run. Buying never waits for the artifact, nor needs it."""

    def __init__(self, log: Any = None) -> None:
        super().__init__()
        self._log: Any = log or get_run_logger()
        self._artifact: UUID | None = None
        self._updates: asyncio.Task[None] | None = None

    def bill(self, bill: Bill) -> None:
        super().bill(bill)
        self._log.info("the bill: %s calls, %s %s", bill.calls, bill.money(bill.amount_atomic), bill.asset.symbol)

    def bought(self, purchase: Purchase | None, rows: int, problem: str | None) -> None:
        super().bought(purchase, rows, problem)
        if problem:
            self._log.warning("%s", problem)
        elif self.done == self.calls or self.done % CALLS_A_LINE == 0:
            self._log.info("%s", self.words)

    @property
    def percent(self) -> float:
        return 100.0 * self.done / self.calls if self.calls else 100.0

    async def __aenter__(self) -> Self:
        self._updates = asyncio.create_task(self._update_often())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._updates is not None, "entered before"
        self._updates.cancel()
        [ended] = await asyncio.gather(self._updates, return_exceptions=True)
        [last] = await asyncio.gather(asyncio.wait_for(self._update(), SERVER_SECONDS), return_exceptions=True)
        for error in (ended, last):
            if isinstance(error, Exception):
                self._log.warning("the progress artifact could not be written: %s", error)

    async def _update_often(self) -> None:
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            await self._update()

    async def _update(self) -> None:
        if not self.flow:
            return
        if self._artifact is None:
            key, create = f"{slug(self.flow)}-progress", create_progress_artifact
            self._artifact = await create(progress=self.percent, key=key, description=self.words)  # type: ignore[misc]
        else:
            update = update_progress_artifact
            await update(self._artifact, progress=self.percent, description=self.words)  # type: ignore[misc]


CONSOLES = ("", "prefect", "prefect.flow_runs", "prefect.task_runs")
"""Loggers whose handlers write a worker's console; "" is the root."""


@contextmanager
def calls_in_run_log(form: str) -> Iterator[None]:
    """Put a line for each call into the flow run's log while the block runs; `form` is that of TOLLBOOK_LOG."""
    if form == LOG_JSON:
        console_as_json()
    try:
        handler = _ToRun(get_run_logger())
    except MissingContextError:
        yield
        return
    before = LOGGER.level
    LOGGER.setLevel(logging.INFO)
    LOGGER.propagate = False
    LOGGER.addHandler(handler)
    try:
        yield
    finally:
        LOGGER.removeHandler(handler)
        LOGGER.setLevel(before)
        LOGGER.propagate = True


def console_as_json() -> None:
    """Have this process's console lines written as JSON. What Prefect's server is sent stays as it is."""
    for name in CONSOLES:
        for handler in logging.getLogger(name).handlers:
            if isinstance(handler, logging.StreamHandler):
                handler.setFormatter(JsonFormatter())


class _ToRun(logging.Handler):
    """Passes records on to a flow run's logger, with the call's document."""

    def __init__(self, log: Any) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        self._log.log(record.levelno, "%s", record.getMessage(), extra={"call": getattr(record, "call", None)})
