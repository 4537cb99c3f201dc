"""The ledger may be at the other end of a network: the cache is closed and unlocked whenever it is asked (I7)."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from payer.ledger import Ledger
from payer.values.ledger_reads import AvoidedRow, CostRow
from payer.values.purchase import Delivery
from tests.warehouse.deliveries import DAY, T0, grades
from tests.warehouse.purchases import buy_history, open_ledger
from warehouse.cache.store import Cache
from warehouse.load.rebuild import rebuild
from warehouse.load.self_repair import load
from warehouse.publish.ledger_snapshot import LedgerNeeds, LedgerSnapshot
from warehouse.publish.publish import compact, publish
from warehouse.query import query


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
            load(Cache(tmp_path), distant)
            assert publish(tmp_path, distant).changed
        compact(tmp_path, distant, at_least=1)
        rebuild(tmp_path, distant)
        publish(tmp_path, distant, rebuild=True)
    assert set(distant.asked) == {"last_seq", "mark", "delivery_index", "deliveries", "cost_rows", "avoided_rows"}
    assert distant.held == []


class Overtaken(Distant):
    """A ledger in which, just after it was read for the first time, another flow buys and loads."""

    def last_seq(self) -> int:
        seq = super().last_seq()
        if "overtaken" not in self.asked:
            self.asked.append("overtaken")
            buy_month(self._ledger, 5)
            load(Cache(self._lock.parent.parent), self._ledger)
        return seq


def test_no_row_is_shown_before_its_price(tmp_path: Path) -> None:
    with open_ledger(tmp_path) as ledger:
        buy_month(ledger, 0)
        load(Cache(tmp_path), ledger)
        publish(tmp_path, Overtaken(tmp_path, ledger))
    shown = query(tmp_path, "SELECT (SELECT count(*) FROM grades), (SELECT sum(rows_new)::BIGINT FROM costs)")[1]
    assert shown == [(40, 40)]


def test_a_publication_with_nothing_new_reads_no_costs_and_no_bodies(tmp_path: Path) -> None:
    with open_ledger(tmp_path) as ledger:
        buy_month(ledger, 0)
        load(Cache(tmp_path), ledger)
        publish(tmp_path, ledger)
        distant = Distant(tmp_path, ledger)
        assert not publish(tmp_path, distant).changed
    assert sorted(distant.asked) == ["avoided_rows", "last_seq", "mark"]


def test_a_ledger_that_lacks_what_the_cache_has_is_asked_once_more_and_then_published(tmp_path: Path) -> None:
    """As one restored from a backup: its last seq stays behind that of the cache's newest delivery."""
    with open_ledger(tmp_path) as ledger:
        buy_month(ledger, 0)
        load(Cache(tmp_path), ledger)
        with Cache(tmp_path).open() as con:
            for table in ("loads", "grades_observations", "grades_newest"):
                con.execute(f"UPDATE {table} SET seq = 1000000")
        distant = Distant(tmp_path, ledger)
        assert publish(tmp_path, distant).changed
    assert distant.held == []
    assert query(tmp_path, "SELECT count(*) FROM grades")[1] == [(20,)]


READ = LedgerSnapshot(seq=9, loaded_seq=9, marks={9: "m"}, costs_after=4, costs=(), avoided_after=None, avoided=())


@pytest.mark.parametrize(
    ("needs", "covered"),
    [
        (LedgerNeeds(9, frozenset({9}), costs_after=4), True),
        (LedgerNeeds(9, costs_after=7), True),
        (LedgerNeeds(9, costs_after=3), False),
        (LedgerNeeds(10), False),
        (LedgerNeeds(9, frozenset({8})), False),
        (LedgerNeeds(9, avoided_after=9), False),
    ],
)
def test_a_snapshot_covers_what_was_read_and_nothing_else(needs: LedgerNeeds, covered: bool) -> None:
    assert READ.covers(needs) is covered
