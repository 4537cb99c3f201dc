"""Of backfills over overlapping ranges two are SIGKILLed: the third has it all, and buys nothing beside them."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from payer.ledger import Ledger
from payer.values.events import Void
from payer.values.purchase import Data, Money, Purchase
from tests.cli.conftest import Command, tollbook
from tests.crash import child
from warehouse.query import query

if TYPE_CHECKING:
    from sandbox.world import Buyer, World

__all__ = ["tollbook"]

FIRST = ("--from", "2026-01-05", "--to", "2026-01-20")
OVERLAPPING = ("--from", "2026-01-12", "--to", "2026-02-05")
IN_TURN = 2
"""Calls for both ranges, the one after the other."""


def test_what_a_killed_run_sent_is_recovered_by_the_run_that_waits_for_it_and_not_bought_beside_it(
    tollbook: Command, world: World, buyer: Buyer
) -> None:
    """The second dies just after it gave way to the first, the first while the third waits for it."""

    def paid() -> list[Purchase]:
        with Ledger.open(f"sqlite:///{buyer.home}/state/ledger.db") as ledger:
            return [one for one in ledger.purchases() if not one.order.free]

    def gave_way(times: int) -> bool:
        with Ledger.open(f"sqlite:///{buyer.home}/state/ledger.db") as ledger:
            [second] = [one for one in paid() if one.order.context["last"] != first_window]
            return sum(isinstance(event, Void) for event in ledger.events(second.purchase_id)) >= times

    world.settings.update(resend="served")
    slow = world.faults.add("slow", path="*trading-signals*", leg="paid", seconds=60.0)
    backfill = ("backfill", "trading-signals", "--tokens", "3375", "--yes")
    first = child.begin(child.command, tollbook.env, (*backfill, *FIRST), "")
    world.wait_until("the payment is at the seller", lambda: slow.fired)
    first_window = paid()[0].order.context["last"]
    assert child.run_command(tollbook.env, *backfill, *OVERLAPPING, crash_at="overlap.released") == child.KILLED
    third = child.begin(child.command, tollbook.env, (*backfill, *OVERLAPPING), "")
    world.wait_until("the third gave way", lambda: gave_way(2), timeout=60)
    assert first.pid is not None
    os.kill(first.pid, signal.SIGKILL)
    assert (child.finish(first), child.finish(third)) == (child.KILLED, 0)
    assert len(world.transfers(buyer.address)) == IN_TURN
    assert [(one.money, one.data) for one in paid()] == [(Money.SPENT, Data.DELIVERED)] * IN_TURN
    held = "SELECT count(*), min(date)::VARCHAR, max(date)::VARCHAR FROM signals"
    assert query(buyer.home, held)[1] == [(32, "2026-01-05", "2026-02-05")]
