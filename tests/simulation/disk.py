"""The ledger's disk: SQLite in memory with a driver that can fail or take its process with it at a commit."""

from __future__ import annotations

import sqlite3
import weakref
from functools import cache
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.pool import StaticPool

from payer.ledger import Ledger


class Witness(Protocol):
    """Calls around each transaction. Each may raise what a disk, or the death of a process, would."""

    def begin(self) -> None: ...

    def before_commit(self) -> None: ...

    def after_commit(self) -> None: ...


class SimCursor(sqlite3.Cursor):
    """A cursor whose COMMIT is its connection's commit, which the witness sees."""

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        if sql != "COMMIT":
            return super().execute(sql, *parameters)
        self.connection.commit()
        return self


class SimConnection(sqlite3.Connection):
    """A connection that tells its witness. Never closed by a pool: the database would go with it."""

    witness: Witness | None = None
    _changes = 0

    def cursor(self, *_args: Any, **_kwargs: Any) -> sqlite3.Cursor:
        if self.witness is not None:
            self.witness.begin()
            self._changes = self.total_changes
        return super().cursor(SimCursor)

    def commit(self) -> None:
        witness = self.witness
        if witness is None or self.total_changes == self._changes:
            super().commit()
            return
        self._changes = self.total_changes
        witness.before_commit()
        super().commit()
        witness.after_commit()

    def close(self) -> None:
        """Stay open."""


class Store:
    """One machine's ledger file. Blank, backed up and restored in microseconds."""

    def __init__(self) -> None:
        self.connection = sqlite3.connect(":memory:", factory=SimConnection, check_same_thread=False)
        self.connection.isolation_level = None
        # A table of hundreds of cases makes a store for each and has nobody to close it.
        weakref.finalize(self, sqlite3.Connection.close, self.connection)
        self.engine = sa.create_engine("sqlite://", creator=lambda: self.connection, poolclass=StaticPool)
        sa.event.listen(self.engine, "begin", _begin)
        # One connection needs no pool; asking one for it would be a tenth of the simulation's time.
        self.engine.raw_connection = lambda: _Lent(self.connection)  # type: ignore[assignment,method-assign]

    def blank(self) -> None:
        """A new ledger, as `Ledger.open` makes it."""
        self.restore(_blank_ledger())

    def backup(self) -> bytes:
        """The database file as it would lie on a disk."""
        return self.connection.serialize()

    def restore(self, copy: bytes) -> None:
        self.connection.deserialize(copy)

    def open(self) -> Ledger:
        return Ledger(self.engine)

    def opened(self) -> Ledger:
        """A new ledger, open."""
        self.blank()
        return self.open()

    def peek(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Read what is committed, unseen by the witness."""
        return sqlite3.Connection.cursor(self.connection).execute(sql, values).fetchall()


class _Lent:
    """The store's connection as a pool would lend it. It is never dropped, whatever an error says of it."""

    __slots__ = ("commit", "cursor", "dbapi_connection", "rollback")
    is_valid = True

    def __init__(self, connection: SimConnection) -> None:
        self.dbapi_connection = connection
        self.cursor, self.commit = connection.cursor, connection.commit
        self.rollback = connection.rollback

    def close(self) -> None:
        """Undo what a commit that failed has left, as a pool does with each connection that comes back."""
        if self.dbapi_connection.in_transaction:
            self.rollback()

    def _close_special(self, *_: object, **__: object) -> None:
        """Do as `close`: SQLAlchemy calls this one when a transaction was begun and not ended."""
        self.close()

    def invalidate(self, *_: object, **__: object) -> None:
        """Keep it."""


def _begin(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("write") else "BEGIN")


@cache
def _blank_ledger() -> bytes:
    """A blank ledger made by the real migrations, once."""
    with Ledger.open("sqlite://") as ledger, ledger._engine.connect() as connection:
        raw = connection.connection.dbapi_connection
        assert isinstance(raw, sqlite3.Connection)
        return raw.serialize()
