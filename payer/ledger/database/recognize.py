"""Tell a ledger from another program's database and from a damaged file, before anything is written to it."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa

from payer.values.errors import DamagedFile, NotALedger

DRIVERS = {
    "sqlite": "sqlite",
    "sqlite+pysqlite": "sqlite",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
}
"""The drivers that URLs may name, and the one that is used."""

RESTORE = "move the file aside, keep it, and `tollbook restore` the newest backup: nothing is paid twice"
_OURS = {"events", "purchases", "committed", "bodies", "runs", "alembic_version"}
_DISK = {
    "SQLITE_FULL": "the disk is full",
    "SQLITE_READONLY": "the disk is read-only, or this user may not write there",
    "SQLITE_CANTOPEN": "the disk is read-only or full, or this user may not write there",
    "SQLITE_PERM": "this user may not write there",
    "SQLITE_IOERR": "the disk failed, or is full",
    "SQLITE_BUSY": "another process has held it locked for too long",
}
"""Words for what SQLite has with its disk, by the beginning of its error's name."""
_WAIT_SECONDS = 30.0


def ledger_url(text: str) -> sa.URL:
    """Read a ledger's URL. Raises NotALedger for another database's, without quoting it: it may hold a password."""
    try:
        url = sa.make_url(text)
    except (sa.exc.ArgumentError, ValueError):
        if text.startswith(("/", "./", "../", "~")):
            place = Path(text).expanduser().absolute()
            raise NotALedger("TOLLBOOK_LEDGER_URL is a path, not a URL", advice=f"write sqlite:///{place}") from None
        raise NotALedger("TOLLBOOK_LEDGER_URL is not a database URL") from None
    driver = DRIVERS.get(url.drivername)
    if driver is None:
        raise NotALedger(f"TOLLBOOK_LEDGER_URL begins with {url.drivername}://, which can't hold a ledger")
    return url.set(drivername=driver)


def sqlite_file(url: sa.URL) -> Path | None:
    """Return the file of a SQLite ledger; None for one in memory, and for PostgreSQL."""
    named = url.database if url.get_backend_name() == "sqlite" else None
    return None if not named or named == ":memory:" or named.startswith("file:") else Path(named)


def check_file(path: Path) -> None:
    """Look at a SQLite file without writing to it. Raises NotALedger for another program's, or a damaged one.

    A file that can't be looked at in that way is left to the ledger's own connection to judge.
    """
    if path.is_dir():
        raise NotALedger(f"{path} is a folder, not a ledger", advice=f"name a file in it: {path}/ledger.db")
    if not path.parent.is_dir():
        raise NotALedger(
            f"the folder of the ledger {path} does not exist", advice=f"make {path.parent}, or name another"
        )
    if not _size(path) or not path.is_file():
        return
    try:
        with closing(
            sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True, timeout=_WAIT_SECONDS)
        ) as file:
            tables = {name for (name,) in file.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
            [(pages,)], [(page,)] = (file.execute(f"PRAGMA {name}").fetchall() for name in ("page_count", "page_size"))
    except sqlite3.Error as error:
        if is_damage(error):
            raise damaged(f"{path} is damaged, or no database") from None
        return
    check_tables(tables - {"sqlite_sequence"}, str(path))
    # The log first: another process that closes the ledger writes all pages into the file before the log goes.
    if _size(path.with_name(f"{path.name}-wal")):
        return
    size = _size(path)
    if 0 < size < pages * page:
        raise damaged(f"{path} is damaged: {size} bytes are left of {pages * page}")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def check_tables(tables: Collection[str], name: str) -> None:
    """Raise NotALedger for a database that has tables, but not a ledger's."""
    if tables and not _OURS.issubset(tables):
        raise NotALedger(f"{name} is the database of another program; nothing was written to it")


def is_damage(error: BaseException | None) -> bool:
    """True if SQLite says that a file is damaged or no database."""
    return str(getattr(error, "sqlite_errorname", "")).startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB"))


def disk_words(error: BaseException | None) -> str:
    """The cause of an error that SQLite has with its disk, "" for any other error."""
    name = str(getattr(error, "sqlite_errorname", ""))
    return next((words for kind, words in _DISK.items() if name.startswith(kind)), "")


def damaged(what: str) -> DamagedFile:
    return DamagedFile(what, advice=RESTORE)


def check_pages(engine: sa.Engine) -> None:
    """Let SQLite read every page of its file. Raises DamagedFile; does nothing on PostgreSQL, which has checksums."""
    if engine.dialect.name != "sqlite":
        return
    try:
        with engine.connect() as connection:
            said = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
    except sa.exc.DatabaseError as error:
        if not is_damage(error.orig):
            raise
        said = str(error.orig)
    if said != "ok":
        raise damaged(f"the ledger is damaged: {str(said).strip().splitlines()[-1]}")
