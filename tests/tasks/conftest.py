"""A desk that runs the plain steps over a real world: no command, no Prefect."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest

from flows.ingest import ingest
from payer.values.purchase import Purchase
from tasks.buy.bill import ApproveBill, Bill, approve_by_policy
from tasks.buy.outcome import Outcome
from tasks.buy.plan import current_bill
from tasks.buy.watch import Watch
from tasks.request.build import request_fresh, request_range
from tasks.request.model import DataRequest, Keys
from tasks.workspace.run import new_run
from tasks.workspace.workspace import Workspace

if TYPE_CHECKING:
    from sandbox.world import Buyer, World

T = TypeVar("T")
PRICE = 17_000
START = date(2024, 1, 1)


def windows(count: int) -> tuple[date, date]:
    """Return the first and last day of so many calls for one token's signals."""
    return START, START + timedelta(days=29 * count - 1)


@dataclass
class Desk:
    """A buyer whose policy and clock a test may change. `offset` is how far its clock is ahead of the world's, which an
    earlier test may have moved."""

    world: World
    buyer: Buyer
    changes: list[tuple[str, str]] = field(default_factory=list)
    offset: float = 0.0

    @property
    def env(self) -> Mapping[str, str]:
        text = Path(self.buyer.env["TOLLBOOK_POLICY"]).read_text()
        for old, new in self.changes:
            assert old in text
            text = text.replace(old, new, 1)
        path = self.buyer.home / "policy.toml"
        path.write_text(text)
        clock = {"TOLLBOOK_CLOCK_OFFSET": repr(self.world.clock.offset + self.offset)}
        return {**self.buyer.env, **clock, "TOLLBOOK_POLICY": str(path)}

    def work(self, body: Callable[[Workspace], Awaitable[T]]) -> T:
        async def inside() -> T:
            async with Workspace.open(self.env) as ws:
                return await body(ws)

        return asyncio.run(inside())

    def backfill(
        self,
        calls: int,
        *,
        flow: str = "backfill",
        watch: Watch | None = None,
        approved: int | None = None,
    ) -> Outcome:
        """Buy signals of one token. `approved` is the budget that the operator approved; None: exactly the bill."""

        async def approve(bill: Bill) -> int | None:
            return bill.amount_atomic if approved is None else approved

        return self.work(lambda ws: self._ingest(ws, signals(ws, calls), flow, watch, approve))

    def fresh(self, name: str, *, watch: Watch | None = None) -> Outcome:
        """Run a flow once, as its schedule would start it."""

        def request(ws: Workspace) -> DataRequest:
            return request_fresh(ws, name, reason="test", at=ws.clock.now())

        return self.work(lambda ws: self._ingest(ws, request(ws), name, watch, approve_by_policy))

    def bill(self, calls: int) -> Bill:
        return self.work(lambda ws: current_bill(ws, signals(ws, calls)))

    def spent(self) -> int:
        """Return the amount spent, by the ledger."""

        async def count(ws: Workspace) -> int:
            return sum(purchase.spent for purchase in ws.ledger.purchases())

        return self.work(count)

    def taken(self) -> int:
        """Return the amount spent, by the chain."""
        return sum(int(transfer["value"]) for transfer in self.world.transfers(self.buyer.address))

    def signed(self) -> int:
        """Count the purchases that a payment was ever sent for."""

        async def count(ws: Workspace) -> int:
            return sum(1 for purchase in ws.ledger.purchases() if purchase.sends)

        return self.work(count)

    async def _ingest(
        self, ws: Workspace, request: DataRequest, flow: str, watch: Watch | None, approve: ApproveBill
    ) -> Outcome:
        run = new_run(flow, request.reason, ws.clock.now())
        return await ingest(ws, request, run, watch=watch or Watch(), approve_bill=approve)


def signals(ws: Workspace, calls: int) -> DataRequest:
    return request_range(ws, ["trading-signals"], *windows(calls), at=ws.clock.now(), keys=Keys(tokens=("3375",)))


class After(Watch):
    """Acts once, after so many calls are delivered."""

    def __init__(self, calls: int, act: Callable[[], None]) -> None:
        self.calls, self._act = calls, act

    def bought(self, purchase: Purchase | None, rows: int, problem: str | None) -> None:
        self.calls -= problem is None
        if self.calls == 0 and problem is None:
            self._act()


@pytest.fixture
def desk(world: World, buyer: Buyer) -> Desk:
    return Desk(world, buyer)
