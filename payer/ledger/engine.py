"""Opening the ledger's store: SQLite (WAL, synchronous=FULL) or PostgreSQL, and its schema's version."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from payer.values.crashpoints import crash_point
from payer.values.errors import LedgerTooNew, LedgerUnavailable

SCHEMA_VERSION = "0001"
"""The newest migration in migrations/; a test holds the two together."""

_BUSY_MS = 30_000
_BROKEN = (sa.exc.OperationalError, sa.exc.InternalError, sa.exc.InterfaceError, sa.exc.ProgrammingError)


def connect(url: str) -> sa.Engine:
    """An engine whose write transactions take the store's write lock at BEGIN.

    Raises LedgerUnavailable when the store can't be opened, LedgerTooNew when a later tollbook wrote it.
    """
    try:
        engine = engine_for(url)
    except sa.exc.ArgumentError as error:
        raise LedgerUnavailable(f"TOLLBOOK_LEDGER_URL is not a database URL: {error}") from None
    try:
        _bring_up_to_date(engine)
    except sa.exc.SQLAlchemyError as error:
        engine.dispose()
        raise LedgerUnavailable(f"the ledger can't be opened: {cause(error)}") from None
    except LedgerTooNew:
        engine.dispose()
        raise
    return engine


def engine_for(url: str) -> sa.Engine:
    """An engine with the settings that the books rest on, whatever is in the store."""
    if url.startswith("postgresql://"):
        url = url.replace("postgresql://", "postgresql+psycopg://", 1)
    if sa.make_url(url).get_backend_name() != "sqlite":
        engine = sa.create_engine(url, pool_pre_ping=True)
        sa.event.listen(engine, "connect", _postgresql_settings)
        return engine
    engine = sa.create_engine(url, connect_args={"check_same_thread": False, "timeout": _BUSY_MS / 1000})
    sa.event.listen(engine, "connect", _sqlite_pragmas)
    sa.event.listen(engine, "begin", _sqlite_begin)
    return engine


def _sqlite_pragmas(connection: Any, _record: object) -> None:
    connection.isolation_level = None
    _write_ahead(connection)
    for pragma in ("synchronous=FULL", f"busy_timeout={_BUSY_MS}", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _write_ahead(connection: Any) -> None:
    """Of processes that begin a ledger at the same moment each may wait for the other: SQLite then refuses one of them
    at once, however patient it is."""
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
    """What the books rest on, whatever the server, the database or the role has as its default: a commit that returns
    is on disk, and a statement sees what others have committed while this one waited for its lock."""
    with connection.cursor() as cursor:
        # A server with standbys may ask for more than its own disk; it may never promise less.
        cursor.execute(
            "SELECT set_config('synchronous_commit', 'on', false) "
            "WHERE current_setting('synchronous_commit') IN ('off', 'local', 'remote_write')"
        )
        cursor.execute("SET default_transaction_isolation = 'read committed'")
        cursor.execute("SET default_transaction_read_only = off")
    connection.commit()


def _sqlite_begin(connection: sa.Connection) -> None:
    # A deferred transaction that upgrades from read to write fails at once when another writer got in between.
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("write") else "BEGIN")


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """One write transaction, durable when the block ends. Store errors become LedgerUnavailable."""
    try:
        with engine.connect().execution_options(write=True) as connection, connection.begin():
            yield connection
            crash_point("commit")
        crash_point("committed")
    except _BROKEN as error:
        raise LedgerUnavailable(f"the ledger can't be written: {cause(error)}") from None


@contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """One consistent read."""
    try:
        with engine.connect() as connection, connection.begin():
            yield connection
    except _BROKEN as error:
        raise LedgerUnavailable(f"the ledger can't be read: {cause(error)}") from None


def cause(error: BaseException) -> str:
    """The driver's own words, without the statement and its parameters (I10)."""
    return str(getattr(error, "orig", None) or error).strip().splitlines()[0]


def _bring_up_to_date(engine: sa.Engine) -> None:
    found = _version(engine)
    if found == SCHEMA_VERSION:
        return
    if found is not None and found > SCHEMA_VERSION:
        raise LedgerTooNew(f"the ledger has schema {found}; this tollbook knows {SCHEMA_VERSION} and older")
    from payer.ledger.migrate import upgrade

    upgrade(engine)


def _version(engine: sa.Engine) -> str | None:
    with engine.connect() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
