"""Backing the books up while they are written, and putting them back: the same copy, from any store to any store.

A backup is a SQLite ledger of its own. One from yesterday, restored today, pays nothing twice: nonces are derived from
what is bought, and the chain has those that were used since.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import sqlalchemy as sa

from tollbook.payer.errors import LedgerUnavailable
from tollbook.payer.ledger import schema
from tollbook.payer.ledger.engine import SCHEMA_VERSION, connect

_BATCH = 1_000


@dataclass(frozen=True, slots=True)
class Copied:
    """How much was copied, and where to."""

    path: str
    purchases: int
    events: int
    bodies: int


def backup(url: str, to: Path) -> Copied:
    """A consistent copy of a ledger in use, whole under its name or not there. Raises LedgerUnavailable."""
    if to.exists():
        raise LedgerUnavailable(f"{to} is there already", advice="name a file that does not exist yet")
    to.parent.mkdir(parents=True, exist_ok=True)
    fresh = to.with_name(to.name + ".tmp")
    for leftover in (fresh, Path(f"{fresh}-wal"), Path(f"{fresh}-shm")):
        leftover.unlink(missing_ok=True)
    counts = _copy(url, f"sqlite:///{fresh}")
    _settle(fresh)
    os.replace(fresh, to)
    _sync(to.parent)
    return Copied(str(to), *counts)


def restore(source: Path, url: str) -> Copied:
    """Put a backup's books into an empty ledger. Raises LedgerUnavailable when there is something in it already.

    The backup is only read, and may lie where nothing can be written; one of an older tollbook is brought up to date
    in a copy.
    """
    if not source.exists():
        raise LedgerUnavailable(f"there is no backup at {source}", advice="name the file that `tollbook backup` wrote")
    engine = connect(url)
    try:
        with engine.connect() as connection:
            held = connection.execute(sa.select(sa.func.count()).select_from(schema.events)).scalar_one()
    finally:
        engine.dispose()
    if held:
        raise LedgerUnavailable(
            f"the ledger has {held} events already, which a restore would overwrite",
            advice="move it aside first (TOLLBOOK_HOME's state/ledger.db), or name another TOLLBOOK_LEDGER_URL",
        )
    with TemporaryDirectory(dir=_room_for(url)) as folder:
        copy = Path(folder) / "backup.db"
        _read_into(source, copy)
        return Copied(url, *_copy(f"sqlite:///{copy}", url))


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
    except sqlite3.Error as error:
        raise LedgerUnavailable(f"{source} can't be read: {error}", advice="name another backup") from None


def _copy(source: str, target: str) -> tuple[int, int, int]:
    """Every row of every table, read at one moment and written in one transaction."""
    reader, writer = connect(source), connect(target)
    if reader.dialect.name == "postgresql":
        reader = reader.execution_options(isolation_level="REPEATABLE READ")
    try:
        with reader.connect() as old, old.begin(), writer.connect().execution_options(write=True) as new, new.begin():
            counts = {table.name: _copy_table(old, new, table) for table in schema.metadata.sorted_tables}
            if writer.dialect.name == "postgresql":
                _advance_sequences(new)
    except sa.exc.SQLAlchemyError as error:
        raise LedgerUnavailable(f"the copy failed: {getattr(error, 'orig', error)}") from None
    finally:
        reader.dispose()
        writer.dispose()
    return counts["purchases"], counts["events"], counts["bodies"]


def _copy_table(old: sa.Connection, new: sa.Connection, table: sa.Table) -> int:
    copied = 0
    rows = old.execution_options(yield_per=_BATCH).execute(sa.select(table))
    for batch in rows.mappings().partitions():
        new.execute(sa.insert(table), [dict(row) for row in batch])
        copied += len(batch)
    return copied


def _advance_sequences(connection: sa.Connection) -> None:
    for table in (schema.events, schema.avoided):
        newest = sa.select(sa.func.coalesce(sa.func.max(table.c.seq), 0)).scalar_subquery()
        sequence = sa.func.pg_get_serial_sequence(table.name, "seq")
        connection.execute(sa.select(sa.func.setval(sequence, newest + 1, False)))


def _settle(path: Path) -> None:
    """One file, durable: nothing left in a write-ahead log beside it."""
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode=DELETE")
        version = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    engine.dispose()
    assert version == SCHEMA_VERSION, "a backup has this program's schema"
    _sync(path)


def _sync(path: Path) -> None:
    """Make a file's content, or a folder's names, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
