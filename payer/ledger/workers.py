"""The things that workers share through their PostgreSQL ledger besides money: each seller's pace, and who publishes.

A seller's requests are spaced evenly for all workers: one row per seller, by the server's clock. As with the file of
one machine (payer/http/gate.py), a slot is taken when a request leaves and never in advance: a worker that dies or
waits longer wastes none.

One worker is elected to publish for all. A worker that wants its rows published takes a ticket. The publisher reads the
newest ticket before it loads, and writes it as shown once its publication is public: what was committed before a ticket
was taken is in a publication that shows the ticket, whatever the workers' clocks say. The lock belongs to the session
of a connection of its own: a publisher that dies, however it dies, frees it, and the next worker takes over.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from payer.http.gate import LONGEST_PAUSE_SECONDS, Pace
from payer.ledger.database.engine import (
    BROKEN,
    OnEngine,
    as_unavailable,
    read_connection,
    unavailable,
    write_connection,
)
from payer.ledger.database.schema import SERVER_TIME, publications
from payer.ledger.database.thread import LedgerThread

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
    """`payer.http.gate.Pace` in the ledger."""

    def __init__(self, engine: sa.Engine, thread: LedgerThread, seller: str, requests_per_minute: int) -> None:
        self._engine, self._thread, self._seller = engine, thread, seller
        self._gap = 60_000_000 // requests_per_minute
        self._longest = max(self._gap, int(LONGEST_PAUSE_SECONDS * 1_000_000))

    async def take(self, _now: datetime) -> float:
        return await self._thread.run(self.take_now)

    async def hold(self, until: datetime, now: datetime) -> None:
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


_NAME = "published"
_LOCK = sa.text("SELECT pg_try_advisory_lock(74011, 4)")
_KEEPALIVE = ("tcp_keepalives_idle = 20", "tcp_keepalives_interval = 10", "tcp_keepalives_count = 3")
"""A publisher whose machine is gone, and says nothing any more, frees the lock within a minute."""

_NAMED = sa.text("SELECT set_config('application_name', :name, false)")
"""`pg_stat_activity` shows which process publishes."""

_TICKET = sa.text(
    "INSERT INTO publications (name, wanted, wanted_at, shown) "
    f"VALUES ('{_NAME}', 1, {SERVER_TIME}, 0) ON CONFLICT (name) DO UPDATE SET wanted = publications.wanted + 1, "
    "wanted_at = CASE WHEN publications.wanted > publications.shown THEN publications.wanted_at "
    f"ELSE {SERVER_TIME} END RETURNING wanted"
)
_SHOWN = sa.text(
    "INSERT INTO publications (name, wanted, wanted_at, shown, host, place, address, ledger_seq, published_at) "
    f"VALUES ('{_NAME}', :shown, {SERVER_TIME}, :shown, :host, :place, :address, :ledger_seq, {SERVER_TIME}) "
    f"ON CONFLICT (name) DO UPDATE SET shown = excluded.shown, wanted_at = {SERVER_TIME}, host = excluded.host, "
    "place = excluded.place, address = excluded.address, ledger_seq = excluded.ledger_seq, "
    "published_at = excluded.published_at"
)


@dataclass(frozen=True, slots=True)
class PublishedPlace:
    """The location of the published set: an id that all of its workers agree on, and its address for people."""

    id: str
    address: str


@dataclass(frozen=True, slots=True)
class LastPublication:
    """The newest publication for all workers. `waits_for` is how many seconds the oldest request for a newer one has
    waited, by the server's clock; None when there is none. Before the first one, there is no host."""

    shown: int
    host: str | None
    place: PublishedPlace | None
    ledger_seq: int
    published_at: datetime | None
    waits_for: float | None


class PublisherElection(OnEngine):
    """The election among the workers of one ledger. Every method raises LedgerUnavailable."""

    def take_ticket(self) -> int:
        """Ask for a publication of everything that was committed so far; returns the ticket that will be shown."""
        with write_connection(self._engine) as connection:
            return int(connection.execute(_TICKET).scalar_one())

    def last(self) -> LastPublication:
        with read_connection(self._engine) as connection:
            return _last(connection)

    def try_elect(self) -> Elected | None:
        """Take the lock, to be released by `Elected.release`; None at once while another worker holds it."""
        with as_unavailable("read"):
            connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        elected = Elected(connection)
        try:
            connection.detach()  # closed at the end, not given back with the lock
            for setting in _KEEPALIVE:
                connection.execute(sa.text(f"SET {setting}"))
            connection.execute(_NAMED, {"name": f"tollbook publisher {socket.gethostname()} {os.getpid()}"[-63:]})
            if connection.execute(_LOCK).scalar():
                return elected
        except BROKEN as error:
            elected.release()
            raise unavailable(error, "read") from None
        elected.release()
        return None


class Elected:
    """The worker that holds the lock. It writes nothing but who published what."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def release(self) -> None:
        """End the session, and the lock with it."""
        with suppress(*BROKEN):
            self._connection.close()

    def last(self) -> LastPublication:
        """Return the newest publication. Raises LedgerUnavailable, also when the lock was lost with its session."""
        with as_unavailable("read"):
            return _last(self._connection)

    def newest_ticket(self) -> int:
        """The newest ticket: read it before loading. Raises LedgerUnavailable, as `last` does."""
        query = sa.select(sa.func.coalesce(sa.func.max(publications.c.wanted), 0))
        with as_unavailable("read"):
            return int(self._connection.execute(query).scalar_one())

    def record(self, shown: int, place: PublishedPlace, ledger_seq: int) -> None:
        """Write that a publication shows every ticket up to `shown`, in the session that holds the lock: one that lost
        it writes nothing, and raises LedgerUnavailable."""
        values = {"shown": shown, "place": place.id, "address": place.address, "ledger_seq": ledger_seq}
        with as_unavailable("written"):
            self._connection.execute(_SHOWN, {**values, "host": socket.gethostname()})


def _last(connection: sa.Connection) -> LastPublication:
    now = sa.literal_column(SERVER_TIME, publications.c.wanted_at.type)
    row = connection.execute(sa.select(publications, now.label("now"))).one_or_none()
    if row is None:
        return LastPublication(0, None, None, 0, None, None)
    waits = (row.now - row.wanted_at).total_seconds() if row.wanted > row.shown else None
    place = None if row.place is None else PublishedPlace(row.place, row.address or row.place)
    return LastPublication(row.shown, row.host, place, row.ledger_seq or 0, row.published_at, waits)


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
