"""A ledger's store as it is opened."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from payer.ledger import Ledger

AT_ONCE, ROUNDS = 4, 20


def test_a_new_ledger_is_begun_by_several_at_the_same_moment(tmp_path: Path) -> None:
    """I6: two flows whose first runs start together. SQLite refuses one of them at once, however patient it is told to
    be, as each waits for the other."""
    together = threading.Barrier(AT_ONCE)

    def begin(number: int) -> list[object]:
        together.wait()
        with Ledger.open(f"sqlite:///{tmp_path}/{number}.db") as ledger:
            return list(ledger.purchases())

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for number in range(ROUNDS):
            assert list(pool.map(begin, [number] * AT_ONCE)) == [[]] * AT_ONCE
