"""Backing the books up while they are written, and putting them back: the same copy, from any store to any store.

A backup is a SQLite ledger of its own. One from yesterday, restored today, pays nothing twice: nonces are derived from
what is bought, and the chain has those that were used since.

What happens when the process dies, or the disk is full: a copy gets its tables and its rows in one transaction, in a
folder of its own, so that half of one is no ledger and has no name. The next copy made in that place removes it.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from payer.ledger import schema
from payer.ledger.engine import SCHEMA_VERSION, cause, connect, engine_for
from payer.ledger.workplace import workplace
from payer.values.crashpoints import crash_point
from payer.values.durable import fsync_path
from payer.values.errors import BackupFailed, LedgerUnavailable

_BATCH = 1_000
_NO_ROOM = ("SQLITE_FULL", "SQLITE_IOERR_WRITE")


@dataclass(frozen=True, slots=True)
class Copied:
    """How much was copied, and where to."""

    path: str
    purchases: int
    events: int
    bodies: int


def backup(url: str, to: Path) -> Copied:
    """A consistent copy of a ledger in use, whole under its name or not there.

    Raises LedgerUnavailable, and BackupFailed when it is the copy that can't be written.
    """
    if to.exists():
        raise LedgerUnavailable(f"{to} is there already", advice="name a file that does not exist yet")
    with _opened(connect(url)) as ledger, _writing(to, BackupFailed):
        to.parent.mkdir(parents=True, exist_ok=True)
        with workplace(to.parent) as folder:
            fresh = folder / "backup.db"
            with _opened(engine_for(f"sqlite:///{fresh}")) as new:
                counts = _copy(ledger, new, "the ledger")
            _settle(fresh)
            crash_point("backup.settled")
            os.replace(fresh, to)
            crash_point("backup.named")
            fsync_path(to.parent)
    return Copied(str(to), *counts)


def restore(source: Path, url: str) -> Copied:
    """Put a backup's books into an empty ledger. Raises LedgerUnavailable when there is something in it already.

    The backup is only read, and may lie where nothing can be written; one of an older tollbook is brought up to date
    in a copy.
    """
    if not source.exists():
        raise LedgerUnavailable(f"there is no backup at {source}", advice="name the file that `tollbook backup` wrote")
    with _opened(connect(url)) as ledger:
        _must_be_empty(ledger)
        with _writing("the ledger", LedgerUnavailable), workplace(_room_for(url)) as folder:
            copy = folder / "backup.db"
            _read_into(source, copy)
            crash_point("restore.read")
            with _opened(connect(f"sqlite:///{copy}")) as old:
                counts = _copy(old, ledger, str(source))
    return Copied(sa.make_url(url).render_as_string(hide_password=True), *counts)


def _must_be_empty(ledger: sa.Engine) -> None:
    """In any table: prices that `tollbook plan` asked for would meet those of the backup. Events tell most: first."""
    with ledger.connect() as connection:
        for table in (schema.events, *schema.metadata.sorted_tables):
            held = connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            if held:
                raise LedgerUnavailable(
                    f"the ledger has {held} {table.name} already, which a restore would overwrite",
                    advice="move it aside first (TOLLBOOK_HOME's state/ledger.db), or name another TOLLBOOK_LEDGER_URL",
                )


def _room_for(url: str) -> Path | None:
    """Beside a SQLite ledger, which is to hold as much; else where temporary files go."""
    found = sa.make_url(url)
    return Path(found.database).parent if found.get_backend_name() == "sqlite" and found.database else None


def _read_into(source: Path, copy: Path) -> None:
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as old,
            closing(sqlite3.connect(copy)) as new,
        ):
            old.backup(new)
            [(tables,)] = new.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'alembic_version'").fetchall()
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorname", "") in _NO_ROOM:
            raise LedgerUnavailable(f"{copy} can't be written, a copy of {source}: {error}") from None
        raise LedgerUnavailable(f"{source} can't be read: {error}", advice="name another backup") from None
    if not tables:
        raise LedgerUnavailable(f"{source} holds no ledger", advice="name the file that `tollbook backup` wrote")


def _copy(reader: sa.Engine, writer: sa.Engine, read: str) -> tuple[int, int, int]:
    """Every row of every table, read at one moment and written in one transaction, which makes the tables where there
    are none. `read` names what is read."""
    if reader.dialect.name == "postgresql":
        reader = reader.execution_options(isolation_level="REPEATABLE READ")
    with reader.connect() as old, old.begin():
        with writer.connect().execution_options(write=True) as new, new.begin():
            if not sa.inspect(new).has_table("alembic_version"):
                from payer.ledger.migrate import upgrade_within

                upgrade_within(new)
            counts = {table.name: _copy_table(old, new, table, read) for table in schema.metadata.sorted_tables}
            if writer.dialect.name == "postgresql":
                _advance_sequences(new)
            crash_point("copy.written")
        crash_point("copy.committed")
    return counts["purchases"], counts["events"], counts["bodies"]


def _copy_table(old: sa.Connection, new: sa.Connection, table: sa.Table, read: str) -> int:
    copied = 0
    for rows in _rows(old, table, read):
        new.execute(sa.insert(table), rows)
        copied += len(rows)
    return copied


def _rows(old: sa.Connection, table: sa.Table, read: str) -> Iterator[list[dict[str, object]]]:
    try:
        found = old.execution_options(yield_per=_BATCH).execute(sa.select(table))
        for batch in found.mappings().partitions():
            yield [{str(name): value for name, value in row.items()} for row in batch]
    except sa.exc.SQLAlchemyError as error:
        raise LedgerUnavailable(f"{read} can't be read: {cause(error)}") from None


def _advance_sequences(connection: sa.Connection) -> None:
    for table in (schema.events, schema.avoided):
        newest = sa.select(sa.func.coalesce(sa.func.max(table.c.seq), 0)).scalar_subquery()
        sequence = sa.func.pg_get_serial_sequence(table.name, "seq")
        connection.execute(sa.select(sa.func.setval(sequence, newest + 1, False)))


def _settle(path: Path) -> None:
    """One file, durable: nothing left in a write-ahead log beside it."""
    with _opened(sa.create_engine(f"sqlite:///{path}")) as engine, engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode=DELETE")
        version = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    assert version == SCHEMA_VERSION, "a backup has this program's schema"
    fsync_path(path)


@contextmanager
def _opened(engine: sa.Engine) -> Iterator[sa.Engine]:
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def _writing(what: Path | str, refusal: type[LedgerUnavailable]) -> Iterator[None]:
    """Says what the store or the disk says of what is written."""
    try:
        yield
    except (OSError, sa.exc.SQLAlchemyError) as error:
        why = error.strerror if isinstance(error, OSError) else None
        raise refusal(f"{what} can't be written: {why or cause(error)}") from None
