"""The ledger, read before the cache is opened: it may be at the other end of a network, and the cache is not held open
across one.

What is not read yet is asked for by `NotRead`: the cache is closed, the ledger read, and the work done again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any, TypeVar

from payer.values.ledger_reads import AvoidedRow, CostRow, LedgerReader
from payer.values.purchase import Delivery

T = TypeVar("T")
_Ask = Callable[[], None]


class NotRead(Exception):
    """Something the ledger was not yet asked for. `read` asks it."""

    def __init__(self, read: _Ask) -> None:
        super().__init__("the ledger has not been asked for this yet")
        self.read = read


class Ahead:
    """Implements LedgerReader from what was read. Rows once read serve every later start, too."""

    def __init__(self, ledger: LedgerReader) -> None:
        self._ledger = ledger
        self._answers: dict[str, Any] = {}
        self._costs: tuple[int, list[CostRow]] | None = None
        self._avoided: tuple[int, list[AvoidedRow]] | None = None
        self._seq = ledger.last_seq()

    def through(self, work: Callable[[Ahead], T]) -> T:
        """Do work that opens and closes the cache, as often as it takes until all it asks for is read."""
        while True:
            try:
                return work(self)
            except NotRead as missing:
                missing.read()

    def refresh(self) -> bool:
        """Forget what was read if the ledger has gone on since. Says whether it had."""
        now = self._ledger.last_seq()
        if now == self._seq:
            return False
        self._seq, self._costs, self._avoided = now, None, None
        self._answers.clear()
        return True

    def last_seq(self) -> int:
        """As of before any row was read: the rows are at least as new."""
        return self._seq

    def mark(self, seq: int) -> str | None:
        answer: str | None = self._once(f"mark {seq}", lambda: self._ledger.mark(seq))
        return answer

    def delivery_index(self, after: int = 0) -> list[tuple[int, str]]:
        answer: list[tuple[int, str]] = self._once(f"index {after}", lambda: self._ledger.delivery_index(after))
        return answer

    def deliveries(self, after: int = 0, purchase_ids: Collection[str] | None = None) -> Iterator[Delivery]:
        wanted = None if purchase_ids is None else sorted(purchase_ids)
        answer = self._once(f"bodies {after} {wanted}", lambda: list(self._ledger.deliveries(after, wanted)))
        return iter(answer)

    def cost_rows(self, changed_after: int = 0) -> Iterator[CostRow]:
        if self._costs is None or self._costs[0] > changed_after:
            raise NotRead(lambda: self._read_costs(changed_after))
        return (row for row in self._costs[1] if row.seq > changed_after)

    def avoided_rows(self, after: int = 0) -> Iterator[AvoidedRow]:
        if self._avoided is None or self._avoided[0] > after:
            raise NotRead(lambda: self._read_avoided(after))
        return (row for row in self._avoided[1] if row.seq > after)

    def need(self, costs_after: int, avoided_after: int) -> None:
        """Raise NotRead once for both, before work is begun that would have to be done again."""
        if self._costs is None or self._costs[0] > costs_after or self._avoided is None:
            raise NotRead(lambda: self._read(costs_after, avoided_after))
        if self._avoided[0] > avoided_after:
            raise NotRead(lambda: self._read_avoided(avoided_after))

    def _read(self, costs_after: int, avoided_after: int) -> None:
        self._read_costs(costs_after)
        self._read_avoided(avoided_after)

    def _read_costs(self, after: int) -> None:
        self._costs = after, list(self._ledger.cost_rows(after))

    def _read_avoided(self, after: int) -> None:
        self._avoided = after, list(self._ledger.avoided_rows(after))

    def _once(self, question: str, ask: Callable[[], T]) -> T:
        if question not in self._answers:
            raise NotRead(lambda: self._answers.update({question: ask()}))
        answer: T = self._answers[question]
        return answer
