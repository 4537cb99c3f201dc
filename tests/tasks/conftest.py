"""Runs over a real world with plain functions: no command, no Prefect."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest

from flows.ingest import Agree, ingest, within_policy
from payer.values.purchase import Purchase
from tasks.buy.bill import Bill
from tasks.buy.outcome import Outcome
from tasks.buy.plan import priced
from tasks.request.build import ask_fresh, ask_range
from tasks.request.requests import Ask, Keys
from tasks.workspace.run import new_run
from tasks.workspace.watch import Silent, Watch
from tasks.workspace.workspace import Workspace

if TYPE_CHECKING:
    from sandbox.world import Buyer, World

T = TypeVar("T")
PRICE = 17_000
START = date(2024, 1, 1)


def windows(count: int) -> tuple[date, date]:
    """So many calls of one token's signals, from one day on."""
    return START, START + timedelta(days=29 * count - 1)


@dataclass
class Desk:
    """A buyer whose policy and clock a test may change."""

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
        more = {"TOLLBOOK_CLOCK_OFFSET": repr(self.offset)} if self.offset else {}
        return {**self.buyer.env, **more, "TOLLBOOK_POLICY": str(path)}

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
        """Signals of one token. `approved` is what a person said yes to; None: exactly the bill."""

        async def agree(bill: Bill) -> int | None:
            return bill.atoms if approved is None else approved

        return self.work(lambda ws: self._ingest(ws, signals(ws, calls), flow, watch, agree))

    def fresh(self, name: str, *, watch: Watch | None = None) -> Outcome:
        """One run of a flow, as its schedule would start it."""

        def ask(ws: Workspace) -> Ask:
            return ask_fresh(ws, name, reason="test", at=ws.clock.now())

        return self.work(lambda ws: self._ingest(ws, ask(ws), name, watch, within_policy))

    def bill(self, calls: int) -> Bill:
        return self.work(lambda ws: priced(ws, signals(ws, calls)))

    def spent(self) -> int:
        """By the ledger."""

        async def count(ws: Workspace) -> int:
            return sum(purchase.spent for purchase in ws.ledger.purchases())

        return self.work(count)

    def taken(self) -> int:
        """By the chain."""
        return sum(int(transfer["value"]) for transfer in self.world.transfers(self.buyer.address))

    def signed(self) -> int:
        """How many purchases a payment was ever sent for."""

        async def count(ws: Workspace) -> int:
            return sum(1 for purchase in ws.ledger.purchases() if purchase.sends)

        return self.work(count)

    async def _ingest(self, ws: Workspace, ask: Ask, flow: str, watch: Watch | None, agree: Agree) -> Outcome:
        run = new_run(flow, ask.reason, ws.clock.now())
        return await ingest(ws, ask, run, watch=watch or Silent(), agree=agree)


def signals(ws: Workspace, calls: int) -> Ask:
    return ask_range(ws, ["trading-signals"], *windows(calls), at=ws.clock.now(), keys=Keys(tokens=("3375",)))


class After(Silent):
    """Does something once so many calls are delivered."""

    def __init__(self, calls: int, act: Callable[[], None]) -> None:
        self.calls, self._act = calls, act

    def bought(self, purchase: Purchase | None, rows: int, problem: str | None) -> None:
        self.calls -= problem is None
        if self.calls == 0 and problem is None:
            self._act()


@pytest.fixture
def desk(world: World, buyer: Buyer) -> Desk:
    return Desk(world, buyer)
