"""Another process holds the ledger's lock for longer than an answer may take, while paid answers lie in their sockets.

The seller refuses a payment presented again: an answer that ran into its timeout would be lost for good.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import TYPE_CHECKING

from payer.buy import record
from payer.values.purchase import Data, Money
from tests.payer import sandbox_policy
from tests.payer.desk import Desk, orders
from tests.payer.onchain import assert_books_equal_chain, payments

if TYPE_CHECKING:
    import pytest

    from sandbox.world import Buyer, World

CALLS = 3
TIMEOUT_SECONDS = 2
HELD_SECONDS = 4.0

_HOLD = """
import sys, time
url, seconds = sys.argv[1], float(sys.argv[2])
if url.startswith("sqlite:///"):
    import sqlite3
    other = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
else:
    import psycopg
    other = psycopg.connect(url)
    other.execute("LOCK TABLE events, purchases IN ACCESS EXCLUSIVE MODE")
print("held", flush=True)
time.sleep(seconds)
other.close()
"""


class Holder:
    """A process that holds the ledger's lock once the payments are at the seller."""

    def __init__(self, world: World, ledger_url: str) -> None:
        self._world, self._url = world, ledger_url
        self._thread = threading.Thread(target=self._hold)
        self._slow = world.faults.add("slow", leg="paid", times=None, seconds=1.0)

    def __enter__(self) -> Holder:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()

    def _hold(self) -> None:
        self._world.wait_until("the payments are at the seller", lambda: self._slow.fired >= CALLS)
        command = [sys.executable, "-c", _HOLD, self._url, str(HELD_SECONDS)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        assert done.stdout == "held\n"


def test_answers_that_lie_in_their_sockets_while_the_ledger_is_locked_are_delivered(
    world: World, buyer: Buyer, ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I1, I4, I5. The lock is held for twice the time that an answer may take."""
    monkeypatch.setattr(record, "_SPOOL_AFTER_SECONDS", 0.5)
    world.settings.update(resend="refused")
    before = world.balance(buyer.address)
    policy = sandbox_policy.policy(world, timeout_seconds=TIMEOUT_SECONDS, parallel=CALLS)
    with Desk(policy, buyer.private_key, ledger_url) as desk:
        assert desk.buy(orders(policy, 1)) == []
        wanted = orders(policy, CALLS, first=2)
        with Holder(world, ledger_url):
            assert desk.buy(wanted) == []
        bought = [desk.found(order) for order in wanted]
        assert {(one.money, one.data, one.sends, one.claims) for one in bought} == {(Money.SPENT, Data.DELIVERED, 1, 0)}
        assert len(payments(world, buyer.address)) == CALLS + 1
        assert_books_equal_chain(world, buyer.address, [desk.ledger], before=before)
