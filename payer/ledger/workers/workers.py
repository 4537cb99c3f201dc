"""The things that workers share through their PostgreSQL ledger besides money: each seller's pace, and who publishes.

A seller's requests are spaced evenly for all workers: one row per seller, by the server's clock. As with the file of
one machine (payer/http/gate.py), a slot is taken when a request leaves and never in advance: a worker that dies or
waits longer wastes none.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from payer.http.gate import LONGEST_PAUSE_SECONDS, Pace
from payer.ledger.database.engine import write_connection
from payer.ledger.database.schema import SERVER_TIME
from payer.ledger.database.thread import LedgerThread
from payer.ledger.workers.publisher import PublisherElection

# The row is locked before the times are read: a worker that waited for it compares with the present.
_TAKE = sa.text(
    f"INSERT INTO paces (seller, next_at) VALUES (:seller, {SERVER_TIME} + :gap) "
    f"ON CONFLICT (seller) DO UPDATE SET next_at = {SERVER_TIME} + :gap "
    f"WHERE paces.next_at <= {SERVER_TIME} OR paces.next_at > {SERVER_TIME} + :longest RETURNING 1"
)
_LEFT = sa.text(f"SELECT next_at - {SERVER_TIME} FROM paces WHERE seller = :seller")
_HOLD = sa.text(
    f"INSERT INTO paces (seller, next_at) VALUES (:seller, {SERVER_TIME} + :pause) "
    "ON CONFLICT (seller) DO UPDATE SET next_at = greatest(paces.next_at, excluded.next_at)"
)
_SHORTEST_SECONDS = 0.001


class SharedPace:
    """The next free slot of one seller, in the ledger. Implements `payer.http.gate.Pace`."""

    def __init__(self, engine: sa.Engine, thread: LedgerThread, seller: str, requests_per_minute: int) -> None:
        self._engine, self._thread, self._seller = engine, thread, seller
        self._gap = 60_000_000 // requests_per_minute
        self._longest = max(self._gap, int(LONGEST_PAUSE_SECONDS * 1_000_000))

    async def take(self, _now: datetime) -> float:
        """Take the slot and return 0.0, or return the seconds until the next one. Raises LedgerUnavailable."""
        return await self._thread.run(self.take_now)

    async def hold(self, until: datetime, now: datetime) -> None:
        """Give no slot before a time of this machine's clock. Raises LedgerUnavailable."""
        await self._thread.run(self.hold_for, (until - now).total_seconds())

    def take_now(self) -> float:
        """Take the slot in one statement, as `take` does. Blocks."""
        with write_connection(self._engine) as connection:
            values = {"seller": self._seller, "gap": self._gap, "longest": self._longest}
            if connection.execute(_TAKE, values).scalar() is not None:
                return 0.0
            left = connection.execute(_LEFT, {"seller": self._seller}).scalar()
        return max((left or 0) / 1_000_000, _SHORTEST_SECONDS)

    def hold_for(self, seconds: float) -> None:
        """Give no slot for so long. Blocks."""
        with write_connection(self._engine) as connection:
            connection.execute(_HOLD, {"seller": self._seller, "pause": int(seconds * 1_000_000)})


class Workers:
    """The workers of one ledger. `share` is True on PostgreSQL, where they may be of several machines and homes."""

    def __init__(self, engine: sa.Engine, thread: LedgerThread) -> None:
        self._engine, self._thread = engine, thread
        self.share = engine.dialect.name == "postgresql"
        self.publisher = PublisherElection(engine)

    def paces(self, of_one_machine: Path) -> Path | Callable[[str, int], Pace]:
        """The place where `HttpTransport` keeps sellers' paces: the ledger, or the folder of its one home."""
        return self.pace if self.share else of_one_machine

    def pace(self, seller: str, requests_per_minute: int) -> SharedPace:
        return SharedPace(self._engine, self._thread, seller, requests_per_minute)
