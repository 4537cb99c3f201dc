"""Copy a ledger to a file while it is in use, and restore it: between SQLite and PostgreSQL in either direction.

A backup is a SQLite ledger. One from yesterday, restored today, pays nothing twice: nonces are derived from what is
bought, and the chain knows those that were used since. The secret that they are derived from is not in it: where a
remote signer holds the key, it is a file of its own, copied beside the backup (payer/wallet/nonce_secret).

When the process dies or the disk is full, no half backup remains under its name: tables and rows are written in one
transaction, in a temporary folder, which the next copy made in the same place removes.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import sqlalchemy as sa

from payer.ledger.audit.integrity import NEVER, UNVERIFIED
from payer.ledger.database import schema
from payer.ledger.database.connect import SCHEMA_VERSION, connect, upgrade_within
from payer.ledger.database.engine import cause, engine_for
from payer.ledger.database.recognize import damaged, is_damage, sqlite_file
from payer.values.crashpoints import crash_point
from payer.values.durable import fsync_path, make_private_file
from payer.values.errors import BackupFailed, BadCopy, LedgerUnavailable

_BATCH = 1_000
_TABLES = tuple(
    table for table in schema.metadata.sorted_tables if table.name not in ("writers", "publications", "paces")
)
"""The tables that are copied. A copy has no workers, and is compared with its events before anything is signed."""
LEDGER = "the ledger"
BACKUP_ADVICE = "name the file that `tollbook backup` wrote"
_DISK_FULL = ("SQLITE_FULL", "SQLITE_IOERR_WRITE")


@dataclass(frozen=True, slots=True)
class Copied:
    """The result of a backup or a restore: `path` is the file, or the ledger's URL without its password."""

    path: str
    purchases: int
    events: int
    bodies: int


def backup(url: str, to: Path) -> Copied:
    """Write a consistent copy of a ledger in use; the file is complete or absent.

    Raises LedgerUnavailable when the ledger can't be read, BackupFailed when the copy can't be written, BadCopy for a
    path that is taken.
    """
    require_free(to)
    with _disposing(connect(url)) as ledger, _naming_write_errors(to, BackupFailed):
        to.parent.mkdir(parents=True, exist_ok=True)
        with copy_folder(to.parent) as folder:
            copy = folder / "backup.db"
            make_private_file(copy)
            with _disposing(engine_for(f"sqlite:///{copy}")) as new:
                counts = _copy(ledger, new, LEDGER)
            _make_single_file(copy)
            crash_point("backup.settled")
            os.replace(copy, to)
            crash_point("backup.named")
            fsync_path(to.parent)
    return Copied(str(to), *counts)


def restore(source: Path, url: str) -> Copied:
    """Copy a backup into an empty ledger. Raises BadCopy for what is no backup, or a ledger that holds anything.

    The backup is only read, so it may lie on a read-only disk; one of an older tollbook is upgraded in a copy.
    """
    require_backup(source)
    with _disposing(connect(url)) as ledger:
        _require_empty(ledger)
        file = sqlite_file(ledger.url)
        beside = file.parent if file else None  # the ledger's disk has to hold as much anyway
        with _naming_write_errors("the ledger", LedgerUnavailable), copy_folder(beside) as folder:
            copy = folder / "backup.db"
            make_private_file(copy)
            _copy_file(source, copy)
            crash_point("restore.read")
            with _disposing(connect(f"sqlite:///{copy}")) as old:
                counts = _copy(old, ledger, str(source))
    return Copied(sa.make_url(url).render_as_string(hide_password=True), *counts)


def require_free(to: Path) -> None:
    """Raise BadCopy for a backup's path that exists already, or lies below a file."""
    if to.exists() or to.is_symlink():
        kind = "a folder" if to.is_dir() else "there already"
        raise BadCopy(f"{to} is {kind}: a backup overwrites nothing", advice="name a file that does not exist yet")
    if above := next((folder for folder in to.parents if folder.exists() and not folder.is_dir()), None):
        raise BadCopy(f"{above} is a file, and {to} would lie below it", advice="name a file in a folder")


def require_backup(source: Path) -> None:
    """Raise BadCopy for a path that is no file, or an empty one."""
    if not source.exists():
        raise BadCopy(f"there is no backup at {source}", advice=BACKUP_ADVICE)
    if not source.is_file() or not source.stat().st_size:
        kind = "an empty file" if source.is_file() else "a folder" if source.is_dir() else "no file"
        raise BadCopy(f"{source} is {kind}, not a backup", advice=BACKUP_ADVICE)


def _require_empty(ledger: sa.Engine) -> None:
    """Raise BadCopy when any table has a row: prices that `tollbook plan` asked for would conflict, too."""
    with ledger.connect() as connection:
        for table in (schema.events, *_TABLES):
            count = connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            if count:
                raise BadCopy(
                    f"the ledger has {count} {table.name} already, which a restore would overwrite",
                    advice="move it aside first (TOLLBOOK_HOME's state/ledger.db), or name another TOLLBOOK_LEDGER_URL",
                )


def _copy_file(source: Path, copy: Path) -> None:
    """Copy a backup's file through SQLite. Raises BadCopy for a file that is no ledger."""
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as old,
            closing(sqlite3.connect(copy)) as new,
        ):
            old.backup(new)
            [(tables,)] = new.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'alembic_version'").fetchall()
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorname", "") in _DISK_FULL:
            raise LedgerUnavailable(f"{copy}, a copy of {source}, can't be written: {cause(error)}") from None
        what = f"{source} can't be read: {cause(error)}"
        raise BadCopy(what, advice="name another backup") if is_damage(error) else LedgerUnavailable(what) from None
    if not tables:
        raise BadCopy(f"{source} holds no ledger", advice=BACKUP_ADVICE)


def _copy(reader: sa.Engine, writer: sa.Engine, source: str) -> tuple[int, int, int]:
    """Copy every row of every table: one consistent read, one write transaction, which creates missing tables.

    Returns the numbers of purchases, events and bodies. `source` is what an error calls the reader.
    """
    if reader.dialect.name == "postgresql":
        reader = reader.execution_options(isolation_level="REPEATABLE READ")
    with reader.connect() as old, old.begin():
        with writer.connect().execution_options(write=True) as new, new.begin():
            if not sa.inspect(new).has_table("alembic_version"):
                upgrade_within(new)
            counts = {table.name: _copy_table(old, new, table, source) for table in _TABLES}
            new.execute(sa.delete(schema.writers).where(schema.writers.c.owner == UNVERIFIED))
            new.execute(sa.insert(schema.writers).values(owner=UNVERIFIED, seen_at=NEVER))
            if writer.dialect.name == "postgresql":
                _advance_sequences(new)
            crash_point("copy.written")
        crash_point("copy.committed")
    return counts["purchases"], counts["events"], counts["bodies"]


def _copy_table(old: sa.Connection, new: sa.Connection, table: sa.Table, source: str) -> int:
    copied = 0
    for rows in _batches(old, table, source):
        new.execute(sa.insert(table), rows)
        copied += len(rows)
    return copied


def _batches(old: sa.Connection, table: sa.Table, source: str) -> Iterator[list[dict[str, object]]]:
    try:
        result = old.execution_options(yield_per=_BATCH).execute(sa.select(table))
        for batch in result.mappings().partitions():
            yield [{str(name): value for name, value in row.items()} for row in batch]
    except sa.exc.SQLAlchemyError as error:
        if not is_damage(getattr(error, "orig", None)):
            raise LedgerUnavailable(f"{source} can't be read: {cause(error)}") from None
        if source == LEDGER:
            raise damaged(f"the ledger is damaged and can't be copied: {cause(error)}") from None
        raise BadCopy(f"{source} is damaged: {cause(error)}", advice="restore an older backup") from None


def _advance_sequences(connection: sa.Connection) -> None:
    """Let PostgreSQL number new rows after the copied ones."""
    for table in (schema.events, schema.avoided):
        newest = sa.select(sa.func.coalesce(sa.func.max(table.c.seq), 0)).scalar_subquery()
        sequence = sa.func.pg_get_serial_sequence(table.name, "seq")
        connection.execute(sa.select(sa.func.setval(sequence, newest + 1, False)))


def _make_single_file(path: Path) -> None:
    """Make the copy one durable file, without a write-ahead log beside it."""
    with _disposing(sa.create_engine(f"sqlite:///{path}")) as engine, engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode=DELETE")
        version = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    assert version == SCHEMA_VERSION, "a backup has this program's schema"
    fsync_path(path)


@contextmanager
def _disposing(engine: sa.Engine) -> Iterator[sa.Engine]:
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def _naming_write_errors(target: Path | str, error_type: type[LedgerUnavailable]) -> Iterator[None]:
    """Raise the disk's and the database's errors as one that says what could not be written."""
    try:
        yield
    except (OSError, sa.exc.SQLAlchemyError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise error_type(f"{target} can't be written: {reason or cause(error)}") from None


_PREFIX = ".tollbook-copy-"


@contextmanager
def copy_folder(parent: Path | None) -> Iterator[Path]:
    """Make a hidden folder in `parent` and remove it when the block ends; None: in the system's temporary folder.

    A process that is killed leaves its folder behind, as large as a ledger. Such a folder is locked by nobody, and the
    next call with the same `parent` removes it. `parent` itself is locked meanwhile, so that no process removes a
    folder that another has made and not locked yet.
    """
    with ExitStack() as stack:
        with _locked(parent, fcntl.LOCK_EX) if parent else nullcontext():
            for leftover in parent.glob(f"{_PREFIX}*") if parent else ():
                with _locked(leftover) as abandoned:
                    if abandoned:
                        shutil.rmtree(leftover, ignore_errors=True)
            folder = TemporaryDirectory(prefix=_PREFIX, dir=parent, ignore_cleanup_errors=True)
            stack.enter_context(_locked(Path(stack.enter_context(folder))))
        yield Path(folder.name)


@contextmanager
def _locked(folder: Path, operation: int = fcntl.LOCK_EX | fcntl.LOCK_NB) -> Iterator[bool]:
    """Lock a folder for the block, at most as long as the process lives. Yields False when it can't be locked."""
    descriptor, locked = None, False
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(descriptor, operation)
        locked = True
    try:
        yield locked
    finally:
        if descriptor is not None:
            os.close(descriptor)
