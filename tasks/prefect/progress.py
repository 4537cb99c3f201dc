"""Show a flow's progress in Prefect: lines in its log, and a progress artifact that is updated while it buys."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.logging import get_run_logger

from payer.values.purchase import Purchase
from tasks.buy.bill import Bill
from tasks.buy.watch import Counting
from tasks.prefect.artifacts import slug

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

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._updates is not None, "entered before"
        self._updates.cancel()
        [ended] = await asyncio.gather(self._updates, return_exceptions=True)
        [last] = await asyncio.gather(self._update(), return_exceptions=True)
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
