"""The ledger may be at the other end of a network: the cache is closed and unlocked whenever it is asked (I7)."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Collection, Iterator
from pathlib import Path

from payer.ledger import Ledger
from payer.values.ledger_reads import AvoidedRow, CostRow
from payer.values.purchase import Delivery
from tests.warehouse.books import DAY, T0, grades
from tests.warehouse.purchases import buy_history, open_ledger
from warehouse import query
from warehouse.cache.store import Cache
from warehouse.load.rebuild import rebuild
from warehouse.publish.publish import publish
from warehouse.snapshots.compact import compact


class Distant:
    """A ledger that notes each time it is asked while the cache's lock is held by anybody."""

    def __init__(self, home: Path, ledger: Ledger) -> None:
        self._lock, self._ledger = home / "state" / "cache.lock", ledger
        self.asked: list[str] = []
        self.held: list[str] = []

    def last_seq(self) -> int:
        self._note("last_seq")
        return self._ledger.last_seq()

    def mark(self, seq: int) -> str | None:
        self._note("mark")
        return self._ledger.mark(seq)

    def delivery_index(self, after: int = 0) -> list[tuple[int, str]]:
        self._note("delivery_index")
        return self._ledger.delivery_index(after)

    def deliveries(self, after: int = 0, purchase_ids: Collection[str] | None = None) -> Iterator[Delivery]:
        for own in self._ledger.deliveries(after, purchase_ids):
            self._note("deliveries")
            yield own

    def cost_rows(self, changed_after: int = 0) -> Iterator[CostRow]:
        for own in self._ledger.cost_rows(changed_after):
            self._note("cost_rows")
            yield own

    def avoided_rows(self, after: int = 0) -> Iterator[AvoidedRow]:
        self._note("avoided_rows")
        yield from self._ledger.avoided_rows(after)

    def _note(self, call: str) -> None:
        self.asked.append(call)
        handle = os.open(self._lock, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.held.append(call)
        finally:
            os.close(handle)


def buy_month(ledger: Ledger, number: int) -> None:
    first = T0 - 30 * DAY * (number + 1)
    buy_history(ledger, grades([1, 2], first, 10), [1, 2], first, first + 9 * DAY, T0 + number * DAY)


def test_the_cache_is_free_whenever_the_ledger_is_asked(tmp_path: Path) -> None:
    with open_ledger(tmp_path) as ledger:
        (tmp_path / "state").mkdir(exist_ok=True)
        distant = Distant(tmp_path, ledger)
        for number in range(2):
            buy_month(ledger, 0 if number == 0 else 12)
            Cache(tmp_path).load(distant)
            assert publish(tmp_path, distant).changed
        compact(tmp_path, distant, at_least=1)
        rebuild(tmp_path, distant)
        publish(tmp_path, distant, anew=True)
    assert set(distant.asked) == {"last_seq", "mark", "delivery_index", "deliveries", "cost_rows", "avoided_rows"}
    assert distant.held == []


class Overtaken(Distant):
    """A ledger in which, just after it was read for the first time, another flow buys and loads."""

    def last_seq(self) -> int:
        seq = super().last_seq()
        if "overtaken" not in self.asked:
            self.asked.append("overtaken")
            buy_month(self._ledger, 5)
            Cache(self._lock.parent.parent).load(self._ledger)
        return seq


def test_no_row_is_shown_before_its_price(tmp_path: Path) -> None:
    with open_ledger(tmp_path) as ledger:
        buy_month(ledger, 0)
        Cache(tmp_path).load(ledger)
        publish(tmp_path, Overtaken(tmp_path, ledger))
    shown = query(tmp_path, "SELECT (SELECT count(*) FROM grades), (SELECT sum(rows_new)::BIGINT FROM costs)")[1]
    assert shown == [(40, 40)]
