"""Engines with the durability that the ledger needs: SQLite (WAL, synchronous=FULL) or PostgreSQL.

A SQLite file that is deleted or replaced while it is open is noticed: what is written then goes nowhere.

Read and write connections here are SQLAlchemy's, for bulk and rare work; what runs at every paid call goes through
`statements`.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from sqlalchemy.pool import StaticPool

from payer.ledger.database.recognize import damaged, disk_words, is_damage, ledger_url, sqlite_file
from payer.values.crashpoints import crash_point
from payer.values.errors import LedgerReplaced, LedgerUnavailable

_BUSY_MS = 30_000
BROKEN = (sa.exc.InterfaceError, sa.exc.DatabaseError)
"""Errors of the database itself. Not all are: `unavailable` raises those of what was written to it as they are."""


def engine_for(url: str) -> sa.Engine:
    """Make an engine with the ledger's settings; a write transaction takes SQLite's write lock at BEGIN.

    Connects to nothing yet, and looks at no schema. Raises NotALedger for what is no ledger's URL.
    """
    parsed = ledger_url(url)
    if parsed.get_backend_name() != "sqlite":
        engine = sa.create_engine(parsed, pool_pre_ping=True)
        sa.event.listen(engine, "connect", _postgresql_settings)
        return engine
    # Connections are used from the ledger's thread and from others, one at a time; that of a ledger in memory is the
    # ledger, so that there is one for all threads.
    pool = StaticPool if parsed.database in (None, "", ":memory:") else None
    waits = {"check_same_thread": False, "timeout": _BUSY_MS / 1000}
    engine = sa.create_engine(parsed, connect_args=waits, poolclass=pool)
    sa.event.listen(engine, "connect", _sqlite_pragmas)
    sa.event.listen(engine, "begin", _sqlite_begin)
    _watch(engine)
    return engine


def _sqlite_pragmas(connection: Any, _record: object) -> None:
    connection.isolation_level = None
    _write_ahead(connection)
    for pragma in ("synchronous=FULL", f"busy_timeout={_BUSY_MS}", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _write_ahead(connection: Any) -> None:
    """Set journal_mode=WAL, trying again while the database is locked.

    Of several processes that create a ledger at once each may wait for the other; SQLite then refuses one of them
    immediately, whatever its busy timeout.
    """
    until = time.monotonic() + _BUSY_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
        time.sleep(0.01)


def _postgresql_settings(connection: Any, _record: object) -> None:
    """Set durability and isolation, whatever the server, the database or the role has as its default.

    A commit that returns is on disk, and a statement sees what others committed while it waited for its lock, which it
    does as long as on SQLite.
    """
    with connection.cursor() as cursor:
        # A server with standbys may be stricter than "on"; it may never be weaker.
        cursor.execute(
            "SELECT set_config('synchronous_commit', 'on', false) "
            "WHERE current_setting('synchronous_commit') IN ('off', 'local', 'remote_write')"
        )
        cursor.execute("SET default_transaction_isolation = 'read committed'")
        cursor.execute("SET default_transaction_read_only = off")
        cursor.execute(f"SET lock_timeout = {_BUSY_MS}")
    connection.commit()


def _sqlite_begin(connection: sa.Connection) -> None:
    # A deferred transaction that upgrades from read to write fails at once when another writer got in between.
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("write") else "BEGIN")


_watched: WeakKeyDictionary[sa.Engine, Callable[..., None]] = WeakKeyDictionary()


def _watch(engine: sa.Engine) -> None:
    """Compare device and inode of the ledger's path, at each use of a connection, with those it was opened with.

    Raises LedgerReplaced from then on. A stat costs two microseconds; a commit without it would succeed in a file that
    no longer has a name.
    """
    if (file := sqlite_file(engine.url)) is None:
        return
    path = str(file)
    opened: list[tuple[int, int]] = []

    def connected(_connection: Any, _record: object) -> None:
        if not opened:
            opened.append(_identity(path))

    def used(*_details: object) -> None:
        if opened and _identity(path) != opened[0]:
            raise LedgerReplaced(f"the ledger {path} was replaced by another file while it was open")

    sa.event.listen(engine, "do_connect", used)
    sa.event.listen(engine, "connect", connected)
    sa.event.listen(engine, "checkout", used)
    _watched[engine] = used


def is_watched(engine: sa.Engine) -> bool:
    """True for an engine on a SQLite file."""
    return engine in _watched


def check_in_place(engine: sa.Engine) -> None:
    """Compare now, for a connection that is not taken from the pool for each use. Raises LedgerReplaced."""
    _watched[engine]()


def _identity(path: str) -> tuple[int, int]:
    try:
        status = os.stat(path)
    except FileNotFoundError:
        raise LedgerReplaced(f"the ledger {path} was deleted while it was open") from None
    return status.st_dev, status.st_ino


class OnEngine:
    """A part of what can be asked of a ledger, on its engine."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def _fetched(self, query: sa.Select[Any]) -> Sequence[sa.Row[Any]]:
        """All rows of a query, in one consistent read. Raises LedgerUnavailable."""
        with read_connection(self._engine) as connection:
            return connection.execute(query).all()


@contextmanager
def as_unavailable(doing: str) -> Iterator[None]:
    """Raise the database's errors as LedgerUnavailable; `doing` as `unavailable` has it."""
    try:
        yield
    except BROKEN as error:
        raise unavailable(error, doing) from None


@contextmanager
def write_connection(engine: sa.Engine) -> Iterator[sa.Connection]:
    """One write transaction, durable when the block ends. Raises LedgerUnavailable for the database's errors."""
    with as_unavailable("written"):
        with engine.connect().execution_options(write=True) as connection, connection.begin():
            yield connection
            crash_point("commit")
        crash_point("committed")


@contextmanager
def read_connection(engine: sa.Engine) -> Iterator[sa.Connection]:
    """One consistent read. Raises LedgerUnavailable for the database's errors."""
    with as_unavailable("read"), engine.connect() as connection, connection.begin():
        yield connection


def unavailable(error: BaseException, doing: str) -> BaseException:
    """Return a database's error as LedgerUnavailable; one about the values that were written, a defect, as it is.

    `doing` is "opened", "read" or "written".
    """
    driver = getattr(error, "orig", None) or error
    if is_damage(driver):
        return damaged(f"the ledger is damaged and can't be {doing}: {cause(error)}")
    if isinstance(error, sa.exc.IntegrityError | sa.exc.DataError):
        return error
    return LedgerUnavailable(f"the ledger can't be {doing}: {cause(error)}")


def cause(error: BaseException) -> str:
    """The cause in words of ours where it is the disk's; else the first line of the driver's message, without the
    statement and its parameters (I10)."""
    driver = getattr(error, "orig", None) or error
    return disk_words(driver) or str(driver).strip().splitlines()[0]
