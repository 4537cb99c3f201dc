"""Open `state/cache.duckdb`: typed observations, current rows and coverage. One writer at a time, opened briefly.

The file can be deleted at any time: the next load rebuilds it from the ledger, for $0.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from payer.values.durable import close_to_others, make_private_folder
from warehouse.cache import schema
from warehouse.cache.generation import is_complete, outdated
from warehouse.cache.instance import Instance, Settings, give_back, take, threads_for
from warehouse.cache.integrity import first_line, is_damage
from warehouse.cache.locking import file_lock
from warehouse.cache.log import WriteAheadLog
from warehouse.cache.sql import column_list, literal, quoted
from warehouse.cache.tables import create_table, declared_tables
from warehouse.errors import CacheBusy, CacheDamaged, CacheIncomplete

if TYPE_CHECKING:
    import duckdb

STORAGE = "v1.5.0"
"""Storage version: readable by DuckDB 1.5 and later."""

BLOCK = 64 << 10
"""Bytes of a block in a new file. A small load reads and writes some fifteen, mostly for their metadata: DuckDB's own
256 KB take a quarter more of its time."""

MEMORY = "1GB"
"""Memory that DuckDB may use for one load; beyond it works on disk, beside the file."""

LOG_KEPT = 128 << 10
"""Bytes of DuckDB's log that closing leaves for the next opening to replay: up to there that is the quicker. What would
make more goes into the file itself, without being written to the log first."""

SMALL_FILE, FEW_ROWS = 64 << 20, 5_000
"""Below both, one thread is quicker than sharing the work with a second."""

FOREIGN_LOCK_SECONDS = 30.0
"""Seconds to wait for a process that opened the file without our lock."""

_NAME = "cache"


@dataclass(frozen=True, slots=True)
class Token:
    """One line of the catalogue. Market cap is in US dollars; `rank` is the place by it, from 1, among the largest.

    Either is None where the seller doesn't say.
    """

    token_id: int
    symbol: str | None
    name: str | None
    market_cap: float | None = None
    rank: int | None = None


@dataclass(frozen=True, slots=True)
class KnownDeliveries:
    """The purchases that a load left in the cache with a seq above `start`, whether the cache was complete, and when
    the newest of all deliveries in it was observed."""

    start: int
    purchases: set[str]
    complete: bool
    newest: datetime | None = None


class Cache:
    """The one way to the cache file. Cheap to make: nothing is opened before it is needed.

    DuckDB makes files that others may read, in a folder that they may not enter; each opening closes the files, too.
    """

    def __init__(self, home: Path, file: str = "cache.duckdb") -> None:
        self.home = home
        self.path = home / "state" / file
        self.log = WriteAheadLog(self.path)
        self.meta: dict[str, str] = {}
        """The file's `meta` when it was opened last."""
        self._lock = self.path.with_suffix(".lock")
        self._remembered: tuple[object, KnownDeliveries | None, dict[str, str]] = (None, None, {})
        self._to_remember: KnownDeliveries | None = None
        self.known: KnownDeliveries | None = None
        """The remembered deliveries, where they were those of the file when it was opened last."""
        self._rows: int | None = None
        self._created: set[tuple[str, str]] = set()

    @contextmanager
    def open(self, *, complete: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open an exclusive connection that may write. Close it before anything slow.

        `complete`: raise CacheIncomplete unless everything bought has been loaded since the file was made, under the
        declarations of today.
        """
        with self.locked(), self.connected() as con:
            if complete and not is_complete(self.meta):
                raise CacheIncomplete("the cache has not been filled from the ledger yet: load before planning")
            yield con

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every process from opening the file, and other users out of its folder."""
        make_private_folder(self.path.parent)
        with file_lock(self._lock):
            yield

    @contextmanager
    def connected(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open a connection while holding the lock. Raises CacheDamaged for a file that can't be read."""
        import duckdb

        settings: Settings = {"memory_limit": MEMORY, "temp_directory": str(self.path.with_suffix(".tmp"))}
        settings["checkpoint_threshold"] = f"{LOG_KEPT} bytes"
        instance = take(settings, threads=self._threads())
        con = instance.connection.cursor()
        try:
            self._attach(con)
            con.execute(f"USE {_NAME}")
            self._to_remember, self.known = None, self.remembered()
            self.meta = schema.prepare(con, self._remembered[-1] if self.known else None)
        except BaseException as error:
            self._detach(instance, con)
            if not isinstance(error, duckdb.Error) or not is_damage(error):
                raise
            raise CacheDamaged(f"{self.path} can't be read ({first_line(error)}): the next load rebuilds it") from error
        try:
            yield con
        finally:
            self._detach(instance, con)
            self.log.vouch()
            self.log.close_to_others()
            if self._to_remember is not None:
                self._remembered = self._content(), self._to_remember, self.meta

    def checkpoint(self) -> None:
        """Write the log into the file itself, so that it is whole without it. Hold the lock."""
        with self.connected() as con:
            con.execute(f"CHECKPOINT {_NAME}")

    def create_tables(self, con: duckdb.DuckDBPyConnection, names: Iterable[str]) -> None:
        """Create the tables of these names where they are missing. Not inside a transaction. Raises CacheIncomplete
        for an outdated file.

        A file never loses a table, and `build` tells it from another: a table that was seen is not looked for again.
        """
        if why := outdated(self.meta):
            raise CacheIncomplete(f"{why}: load before reading it")
        missing = {(self.meta["build"], name) for name in names} - self._created
        for _, name in missing:
            create_table(con, declared_tables()[name])
        self._created |= missing

    def expect(self, rows: int) -> None:
        """Use as many cores as pay for a load of so many rows, from the next opening on."""
        self._rows = rows

    def remember(self, deliveries: KnownDeliveries) -> None:
        """Keep what a load leaves in the file that is open, so that the next one opens no file when nothing is new, and
        does not ask it for what it knows."""
        self._to_remember = deliveries

    def remembered(self) -> KnownDeliveries | None:
        """Return what the last load left, if nothing has been written to the file since."""
        content, deliveries, _ = self._remembered
        return deliveries if content == self._content() else None

    def tokens(self) -> list[Token]:
        """The catalogue as last read, by id."""
        with self.open() as con:
            self.create_tables(con, ["tokens"])
            query = "SELECT token_id, token_symbol, token_name, market_cap FROM tokens ORDER BY token_id"
            rows = con.execute(query).fetchall()
        return [Token(*row) for row in rows]

    def newest_purchase(self, table: str) -> str | None:
        """The purchase that delivered the newest current row; None for an empty table."""
        with self.open(complete=True) as con:
            self.create_tables(con, [table])
            row = con.execute(f"SELECT purchase_id FROM {quoted(table)} ORDER BY seq DESC LIMIT 1").fetchone()
        return None if row is None else str(row[0])

    def distinct(self, table: str, columns: Sequence[str]) -> list[tuple[object, ...]]:
        """Distinct values of these columns over the current rows, in order."""
        with self.open(complete=True) as con:
            self.create_tables(con, [table])
            query = f"SELECT DISTINCT {column_list(columns)} FROM {quoted(table)} ORDER BY ALL"
            return con.execute(query).fetchall()

    def _content(self) -> tuple[tuple[int, ...], bytes]:
        """Equal for a file that nobody has written to, or cut the log of, in between."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return (), b""
        return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns), self.log.noted()

    def _threads(self) -> int | None:
        if self._rows is None:
            return threads_for(self.path)
        small = not self.path.exists() or self.path.stat().st_size <= SMALL_FILE
        return 1 if small and self._rows <= FEW_ROWS else None

    def _attach(self, con: duckdb.DuckDBPyConnection) -> None:
        """Attach the file, waiting for a program that holds it without our lock. Raises CacheBusy."""
        import duckdb

        options = f"STORAGE_VERSION '{STORAGE}'"
        if not self.path.exists():
            self.log.remove()
            options += f", BLOCK_SIZE {BLOCK}"
        deadline = time.monotonic() + FOREIGN_LOCK_SECONDS
        while True:
            self.log.drop_unvouched()
            try:
                con.execute(f"ATTACH {literal(self.path)} AS {_NAME} ({options})")
                close_to_others(self.path)
                return
            except duckdb.IOException as error:
                if "lock on file" not in str(error):
                    raise
                if time.monotonic() > deadline:
                    raise CacheBusy(f"{self.path} is open in another program: {first_line(error)}") from None
            time.sleep(0.05)

    def _detach(self, instance: Instance, con: duckdb.DuckDBPyConnection) -> None:
        """Close the file, undoing what was not committed. An instance that fails to is closed, and the file with it."""
        import duckdb

        con.close()
        try:
            if self.log.path.exists() and self.log.path.stat().st_size > LOG_KEPT:
                instance.connection.execute(f"CHECKPOINT {_NAME}")
            instance.connection.execute(f"DETACH DATABASE IF EXISTS {_NAME}")
        except duckdb.Error:
            instance.connection.close()
        else:
            give_back(instance)
        close_to_others(self.path)


def file_identity(path: Path) -> tuple[int, int] | None:
    """Device and inode of a file, whatever it contains; None where there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino
