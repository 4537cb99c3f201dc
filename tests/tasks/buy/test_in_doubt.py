"""One meaning of `in_doubt`, and one exit code: sent, and neither proved spent nor void."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from msgspec.structs import replace

from payer.values.events import Settled
from payer.values.purchase import Money, Purchase
from tasks.buy.outcome import Bought
from tasks.buy.purchase import verify
from tasks.ops.publish import cost_table
from tasks.ops.recovery import recover_all
from tasks.ops.status import read_status
from tasks.workspace.workspace import Workspace
from tests.payer import purchases as p
from tests.tasks.conftest import PRICE, Desk

if TYPE_CHECKING:
    from sandbox.world import World


def test_a_seller_that_says_paid_and_never_settles_is_in_doubt_everywhere_until_the_proof(own_world: World) -> None:
    """I9: data and a receipt came, and the chain shows nothing. 4 from run and recover; then void, and 0."""
    desk = Desk(own_world, own_world.buyer("doubtful"))
    desk.changes = [("[assets.USDC]", "[payment]\nvalidity_seconds = 300\n\n[assets.USDC]")]
    desk.world.faults.add("settle_phantom")
    done = desk.backfill(1)
    assert (done.exit_code, done.open, done.calls_paid, done.amount_atomic, done.in_doubt) == (4, 1, 0, 0, PRICE)
    assert done.loaded.rows_new > 0
    assert in_status(desk) == {"USDC": "0.017"}
    assert in_costs(desk) == "0.017"
    desk.offset = 140.0
    assert desk.work(recover_all).exit_code == 4
    desk.offset = 275.0
    again = desk.backfill(1)
    assert (again.exit_code, again.open) == (4, 1)
    desk.world.clock.advance(400)
    desk.offset = 300.0
    recovered = desk.work(recover_all)
    assert (recovered.exit_code, recovered.counts()["voided"]) == (0, 1)
    assert in_status(desk) == {"USDC": "0"}
    assert in_costs(desk) == "0"
    assert desk.taken() == 0


class LateChain:
    """A payer whose chain shows the settlement at the third look."""

    def __init__(self) -> None:
        self.looked_for: list[int] = []
        self.waited = 0.0

    async def verify(self, purchases: Sequence[Purchase]) -> list[Purchase]:
        self.looked_for.append(len(purchases))
        settled = Settled(at=p.NOW, settlement=p.settlement(final=False))
        return [p.after(one, settled) for one in purchases] if len(self.looked_for) == 3 else []

    async def sleep(self, seconds: float) -> None:
        self.waited += seconds


def test_what_a_seller_settles_after_its_answer_is_looked_for_some_seconds_longer() -> None:
    """A payment without data was looked for while it was bought: it is not waited for again."""
    chain = LateChain()
    ws = cast(Workspace, SimpleNamespace(payer=chain, clock=chain))
    [proved] = asyncio.run(
        verify(ws, [Bought(p.exposed_delivered()), Bought(replace(p.exposed(), purchase_id="absent"))])
    )
    assert (proved.purchase.money, chain.looked_for, chain.waited) == (Money.SPENT, [2, 1, 1], 3.0)


def in_status(desk: Desk) -> object:
    return desk.work(lambda ws: asyncio.sleep(0, read_status(ws).document()["in_doubt"]))


def in_costs(desk: Desk) -> object:
    [row] = desk.work(lambda ws: cost_table(ws, "dataset")).rows
    return row["in_doubt"]
