"""Read the ledger while the cache is closed: it may be behind a network, and other runs wait for the cache.

Work on the cache says what it needs of the ledger. The cache is closed, the ledger read into a frozen snapshot, and the
work done on the cache opened again, unless it needs more by then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from payer.values.ledger_reads import AvoidedRow, CostRow, LedgerReader

if TYPE_CHECKING:
    import duckdb

    from warehouse.cache.store import Cache

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LedgerNeeds:
    """The parts of the ledger that some work needs: rows behind these seqs, None for no rows, and the marks at `marks`.

    `loaded_seq` is the newest delivery in the cache: its price is needed before its rows are shown.
    """

    loaded_seq: int
    marks: frozenset[int] = frozenset()
    costs_after: int | None = None
    avoided_after: int | None = None


@dataclass(frozen=True, slots=True)
class LedgerSnapshot:
    """The part of the ledger that was read. `seq` was its last before any row was read: the rows are at least as new.

    `loaded_seq` is the newest delivery that a cache may have for this snapshot to do: `seq`, or a larger one where the
    ledger, asked again, has nothing newer (it was restored from a backup, and lacks what the cache has).
    """

    seq: int
    loaded_seq: int
    marks: Mapping[int, str | None]
    costs_after: int | None
    costs: tuple[CostRow, ...]
    avoided_after: int | None
    avoided: tuple[AvoidedRow, ...]

    def covers(self, needs: LedgerNeeds) -> bool:
        """True when work with these needs can be done on this snapshot."""
        return (
            needs.loaded_seq <= self.loaded_seq
            and needs.marks <= self.marks.keys()
            and _reaches(self.costs_after, needs.costs_after)
            and _reaches(self.avoided_after, needs.avoided_after)
        )

    def cost_rows(self, changed_after: int) -> tuple[CostRow, ...]:
        return tuple(row for row in self.costs if row.seq > changed_after)

    def avoided_rows(self, after: int) -> tuple[AvoidedRow, ...]:
        return tuple(row for row in self.avoided if row.seq > after)


def _reaches(read_after: int | None, needed_after: int | None) -> bool:
    return needed_after is None or (read_after is not None and read_after <= needed_after)


def read_ledger(ledger: LedgerReader, needs: LedgerNeeds, previous: LedgerSnapshot | None = None) -> LedgerSnapshot:
    """Read what is needed. `previous` is returned where the ledger has nothing newer and its rows suffice."""
    seq = ledger.last_seq()
    loaded_seq = seq
    if previous is not None and previous.seq == seq:
        loaded_seq = max(seq, needs.loaded_seq)
        previous = replace(previous, loaded_seq=loaded_seq)
        if previous.covers(needs):
            return previous
    return LedgerSnapshot(
        seq=seq,
        loaded_seq=loaded_seq,
        marks={at: ledger.mark(at) for at in sorted(needs.marks | {seq})},
        costs_after=needs.costs_after,
        costs=() if needs.costs_after is None else tuple(ledger.cost_rows(needs.costs_after)),
        avoided_after=needs.avoided_after,
        avoided=() if needs.avoided_after is None else tuple(ledger.avoided_rows(needs.avoided_after)),
    )


def with_ledger(
    cache: Cache,
    ledger: LedgerReader,
    needs: Callable[[duckdb.DuckDBPyConnection, LedgerSnapshot | None], LedgerNeeds],
    work: Callable[[duckdb.DuckDBPyConnection, LedgerSnapshot], T],
    snapshot: LedgerSnapshot | None = None,
    within: Callable[[duckdb.DuckDBPyConnection], AbstractContextManager[object]] = nullcontext,
) -> tuple[T, LedgerSnapshot]:
    """Do `work` on the open cache with all of the ledger that `needs` asks for, read while the cache is closed.

    `snapshot` is what was read before, if anything. `within` is entered around both, once for each opening. Returns
    what `work` does, and the snapshot that it was done with. Raises CacheIncomplete for a cache that lacks deliveries.
    """
    while True:
        with cache.open(complete=True) as con, within(con):
            needed = needs(con, snapshot)
            if snapshot is not None and snapshot.covers(needed):
                return work(con, snapshot), snapshot
        snapshot = read_ledger(ledger, needed, snapshot)
