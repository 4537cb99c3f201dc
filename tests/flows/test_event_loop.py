"""While a run buys, recovers and reconciles, no database call happens on the event loop's thread."""

from __future__ import annotations

import asyncio
import threading
import traceback
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from payer.ledger.database import statements
from tasks.buy.watch import Counting
from tasks.ops.reconcile import reconcile_all
from tasks.ops.recovery import recover_all
from tasks.workspace.workspace import Workspace
from tollbook.cli.selection import Selection
from tollbook.cli.verbs.run import run_flows

if TYPE_CHECKING:
    from sandbox.world import Buyer, World


class Uses:
    """Uses of database connections, and where those were made that stopped an event loop."""

    def __init__(self) -> None:
        self.threads: dict[str, int] = {}
        self.blocking: list[str] = []

    def used(self, *_details: Any) -> None:
        name = threading.current_thread().name
        self.threads[name] = self.threads.get(name, 0) + 1
        if asyncio._get_running_loop() is not None:
            self.blocking.append("".join(traceback.format_stack(limit=14)[:-1]))


@contextmanager
def watched() -> Iterator[Uses]:
    """Every use of a connection, pooled or kept, of whatever engine; a connection is made at its first."""
    uses, check = Uses(), statements.check_in_place

    def kept_one_used(engine: sa.Engine) -> None:
        uses.used()
        check(engine)

    sa.event.listen(sa.pool.Pool, "checkout", uses.used)
    statements.check_in_place = kept_one_used
    try:
        yield uses
    finally:
        statements.check_in_place = check
        sa.event.remove(sa.pool.Pool, "checkout", uses.used)


def in_workspace(buyer: Buyer, work: Callable[[Workspace], Awaitable[object]]) -> None:
    async def opened() -> None:
        async with Workspace.open(buyer.env) as ws:
            await work(ws)

    asyncio.run(opened())


def test_no_call_of_the_ledger_blocks_the_loop_of_a_run(world: World, buyer: Buyer) -> None:
    """Bought, recovered and reconciled; one answer is lost, and one is a 402 with other terms."""
    world.faults.add("reset_after", path="*tm-grade*", times=1)
    world.faults.add("new_terms_402_after", path="*trading-signals*", times=1)

    async def everything(ws: Workspace) -> None:
        await run_flows(ws, Selection(("grades", "signals"), tokens=("3375",)), "manual", None, Counting())
        await recover_all(ws)
        await reconcile_all(ws)

    with watched() as uses:
        in_workspace(buyer, everything)
    assert uses.blocking == []
    assert uses.threads["tollbook-ledger"] > 50
    assert world.transfers(buyer.address)
