"""A run is SIGKILLed while its ledger is locked and a paid body lies in the spool: the next recovery books it (I4).

The seller refuses a payment presented again, so nothing but the spool has the body.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from payer.ledger import Ledger
from payer.values.purchase import Data, Money
from tests.cli.conftest import Command, tollbook
from tests.crash import child

if TYPE_CHECKING:
    from sandbox.world import Buyer, World

__all__ = ["tollbook"]


def test_a_body_that_was_spooled_while_the_ledger_was_locked_is_booked_after_a_kill(
    tollbook: Command, world: World, buyer: Buyer
) -> None:
    world.settings.update(resend="refused")
    slow = world.faults.add("slow", path="*trading-signals*", leg="paid", times=None, seconds=1.0)
    days = ("--from", "2026-01-05", "--to", "2026-01-06")
    ordered = ("backfill", "trading-signals", *days, "--tokens", "3375", "--yes")
    file = buyer.home / "state" / "ledger.db"
    running = child.begin(child.command, tollbook.env, ordered, "spooled")
    world.wait_until("the payment is at the seller", lambda: slow.fired)
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert child.finish(running) == child.KILLED
    assert [path.suffix for path in (buyer.home / "state" / "spool").iterdir()] == [".body"]
    recovered = tollbook("recover", "--json").document
    assert (recovered["undelivered"], recovered["open"], recovered["rows_new"]) == (0, 0, 2)
    with Ledger.open(f"sqlite:///{file}") as ledger:
        [bought] = [one for one in ledger.purchases() if not one.order.free]
    assert (bought.money, bought.data, bought.claims) == (Money.SPENT, Data.DELIVERED, 0)
    assert len(world.transfers(buyer.address)) == 1
    assert list((buyer.home / "state" / "spool").iterdir()) == []
