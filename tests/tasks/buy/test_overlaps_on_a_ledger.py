"""Homes that share a ledger, on SQLite and on PostgreSQL: of overlapping requests at the same time one is sent."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import combinations
from types import SimpleNamespace
from typing import Any, cast

import pytest

from payer.buy.approve import Approved
from payer.buy.buy import release
from payer.ledger import Ledger
from payer.ledger.append import Body
from payer.values.events import Answered, Sent
from payer.values.purchase import Lease, Purchase
from tasks.buy.overlaps import give_way, overlap
from tests.payer.purchases import CAPS, NOW, delivered, run, signed, wanted
from warehouse.cache.store import KnownDeliveries

ROUNDS = 4


class HomeOfItsOwn:
    """A workspace over a connection of its own; the plan that it makes is one window."""

    def __init__(self, url: str, name: str) -> None:
        self.ledger = Ledger.open(url)
        self.owner = f"{name}:1:aaaa"
        self.lease = Lease(self.owner, NOW + timedelta(seconds=60))
        self.clock = self.payer = self.cache = self.context = self
        self.stop = SimpleNamespace(requested=False)
        self.known: set[str] = set()

    def now(self) -> datetime:
        return NOW

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.01))

    async def in_thread(self, work: Any, *arguments: Any) -> Any:
        return work(*arguments)

    def remembered(self) -> KnownDeliveries:
        return KnownDeliveries(0, self.known, complete=True)

    def release(self, purchases: Sequence[Purchase]) -> None:
        release(cast(Any, self), purchases)

    def window(self, name: str, number: int, first: int, last: int) -> list[Purchase]:
        """Reserve a window, let others go first, and buy what is left of it: nothing, or the window."""
        self.known = {purchase_id for _, purchase_id in self.ledger.delivery_index()}
        context = {"keys": ["1"], "first": first, "last": last}
        order = wanted(number, context=context, dataset="tm-grade-history")
        reserved = self.ledger.reserve(run(name), [order], CAPS, self.lease)
        approved = asyncio.run(give_way(cast(Any, self), run(name), Approved(reserved, {})))
        return [self._buy(each) for each in approved.purchases]

    def _buy(self, purchase: Purchase) -> Purchase:
        sent = self.ledger.append(purchase, signed(purchase), Sent(at=NOW), lease=self.lease)
        time.sleep(0.02)
        answered = Answered(at=NOW, status=200, elapsed_ms=20)
        return self.ledger.append(sent, answered, delivered(), body=Body(b"{}", "application/json"))


@pytest.fixture
def homes(ledger_url: str) -> Iterator[list[HomeOfItsOwn]]:
    opened = [HomeOfItsOwn(ledger_url, name) for name in ("one", "other", "third")]
    yield opened
    for home in opened:
        home.ledger.close()


def test_of_overlapping_requests_at_the_same_time_one_is_sent_and_the_others_know_of_it(
    homes: list[HomeOfItsOwn],
) -> None:
    """Three homes begin at the same moment; who comes second waits for the rows and buys nothing beside the first."""
    chance, together = random.Random(12), threading.Barrier(len(homes))
    windows = [
        [sorted((number * 100 + chance.randint(0, 15), number * 100 + chance.randint(15, 30))) for _ in homes]
        for number in range(ROUNDS)
    ]
    bought: list[tuple[Purchase, set[str]]] = []

    def rounds(place: int, home: HomeOfItsOwn) -> None:
        for number in range(ROUNDS):
            together.wait(30)
            run_id, window = f"run-{number}-{place}", windows[number][place]
            bought.extend((each, home.known) for each in home.window(run_id, number * 10 + place, *window))

    threads = [threading.Thread(target=rounds, args=each) for each in enumerate(homes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for (one, known), (other, known_to_other) in combinations(bought, 2):
        beside = other.purchase_id not in known and one.purchase_id not in known_to_other
        assert not (beside and overlap(one.order, other.order)), (one.order, other.order)
    assert len(bought) >= ROUNDS
