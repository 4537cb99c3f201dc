"""state/cache.duckdb: typed observations, current rows and coverage. One writer at a time, opened briefly.

It can be deleted at any time: the next load makes it anew from the ledger, for nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from warehouse.cache import schema
from warehouse.cache.damage import CacheDamaged, first_line, is_damage
from warehouse.cache.locking import in_turn

if TYPE_CHECKING:
    import duckdb

    from payer.values.ledger_reads import LedgerReader
    from sources.model import Dataset
    from sources.planner.held import HeldCells
    from warehouse.load.report import LoadReport

STORAGE = "v1.5.0"
"""Readable by DuckDB 1.5 and later."""

MEMORY = "1GB"
"""What DuckDB may use for one load; beyond it works on disk, beside the file."""

LOG_KEPT = 256 << 10
"""Bytes of DuckDB's log that closing leaves for the next opening to read again: up to there that is the quicker."""

SMALL_FILE, FEW_ROWS = 64 << 20, 5_000
"""Below both, one thread is quicker than handing work over to a second."""

_NAME = "cache"

STRANGER_SECONDS = 30.0
"""How long a process that opened the file without our lock is waited for."""


class CacheBusy(RuntimeError):
    """Something that doesn't take our lock holds the file open, such as a DuckDB shell."""


class CacheIncomplete(RuntimeError):
    """The cache doesn't know everything that was bought: planning on it would buy again. Load first."""


@dataclass(frozen=True, slots=True)
class Token:
    """One line of the catalogue."""

    token_id: int
    symbol: str | None
    name: str | None


@dataclass(frozen=True, slots=True)
class Look:
    """What a load saw: the purchases that are loaded with a seq above `start`, and whether the cache was whole."""

    start: int
    known: set[str]
    whole: bool


class Cache:
    """The one way to the cache file. Cheap to make: nothing is opened before it is needed."""

    def __init__(self, home: Path, file: str = "cache.duckdb") -> None:
        self.home = home
        self.path = home / "state" / file
        self.log = self.path.with_name(f"{self.path.name}.wal")
        self._lock = self.path.with_suffix(".lock")
        self._look: tuple[tuple[int, int] | None, Look | None] = (None, None)
        self._duckdb: tuple[int, duckdb.DuckDBPyConnection] | None = None
        self.owed: tuple[str, ...] = ()
        self._small: bool | None = None
        self._made: set[tuple[str, str]] = set()
        self.meta: dict[str, str] = {}
        """What the file said of itself when it was opened last."""

    @contextmanager
    def open(self, *, whole: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection that may write, and nobody else has one. Close it before anything slow.

        `whole`: raise CacheIncomplete unless everything bought has been loaded since the file was made, under the
        declarations of today.
        """
        with self.locked(), self.connected() as con:
            if whole and not _is_whole(self.meta):
                raise CacheIncomplete("the cache has not been filled from the ledger yet: load before planning")
            yield con

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody has the file open, and nobody will."""
        with in_turn(self._lock):
            yield

    @contextmanager
    def connected(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection for who holds the lock already. Raises CacheDamaged for a file that can't be read."""
        import duckdb

        try:
            con = self._attached()
        except duckdb.Error as error:
            if not is_damage(error):
                raise
            raise CacheDamaged(f"{self.path} can't be read ({first_line(error)}): load makes it anew") from error
        try:
            yield con
        finally:
            self._detach(con)

    def checkpoint(self) -> None:
        """Bring everything into the file itself, so that it is whole without its log. For who holds the lock."""
        with self.connected() as con:
            con.execute(f"CHECKPOINT {_NAME}")

    def make(self, con: duckdb.DuckDBPyConnection, names: Iterable[str]) -> None:
        """What these tables lie in, if it isn't there yet. Not inside a transaction. A file never loses a table again,
        and `build` tells it from another: what was seen once is not looked for again. Raises CacheIncomplete for a file
        laid out in another way."""
        if why := schema.outdated(self.meta):
            raise CacheIncomplete(f"{why}: load before reading it")
        missing = {(self.meta["build"], name) for name in names} - self._made
        for _, name in missing:
            schema.make(con, schema.tables()[name])
        self._made |= missing

    def expect(self, rows: int) -> None:
        """So many rows are coming: work on as many cores as pays."""
        small = rows <= FEW_ROWS and (not self.path.exists() or self.path.stat().st_size <= SMALL_FILE)
        if small is not self._small:
            self._instance().execute("SET threads = 1" if small else "RESET threads")
            self._small = small

    def load(self, ledger: LedgerReader) -> LoadReport:
        """Bring in every body that the ledger holds and the cache has not seen. A file that can't be read, or was
        made under other declarations, is made anew first, and the report's note says so."""
        from warehouse.load.self_repair import load

        return load(self, ledger)

    def owe(self, note: str | None) -> None:
        """A note for `owed`: the next load's report is to carry it, as nobody at hand can say it."""
        self.owed += (note,) if note else ()

    def told(self, note: str | None) -> str | None:
        """The note with those owed, which are paid so."""
        notes, self.owed = (*self.owed, *((note,) if note else ())), ()
        return "; ".join(notes) or None

    def remember(self, look: Look) -> None:
        """Keep for the next load what this one saw, so that one that finds nothing opens no file."""
        self._look = (file_identity(self.path), look)

    def remembered(self) -> Look | None:
        """What the last load saw, if the file is still the one it saw. Others may have added to it since."""
        identity, look = self._look
        return look if identity is not None and identity == file_identity(self.path) else None

    def held(self, dataset: Dataset, keys: Iterable[str], first: int, last: int, at: datetime) -> HeldCells:
        """What need not be bought of keys × first…last by a run scheduled for `at`."""
        from warehouse.coverage import record as coverage

        with self.open(whole=True) as con:
            return coverage.held(con, dataset, keys, first, last, at)

    def beginnings(self, dataset: Dataset, keys: Iterable[str]) -> dict[str, int]:
        """The slot of each key's first row, as far as an answer without one for the slot before shows that it is."""
        from warehouse.coverage import record as coverage

        with self.open() as con:
            self.make(con, [dataset.table])
            return coverage.beginnings(con, dataset, keys)

    def tokens(self) -> list[Token]:
        """The catalogue as last seen, by id."""
        with self.open() as con:
            self.make(con, ["tokens"])
            rows = con.execute("SELECT token_id, token_symbol, token_name FROM tokens ORDER BY token_id").fetchall()
        return [Token(*row) for row in rows]

    def distinct(self, table: str, columns: Sequence[str]) -> list[tuple[object, ...]]:
        """The values that columns of the current rows have together, in order."""
        with self.open(whole=True) as con:
            self.make(con, [table])
            return con.execute(f'SELECT DISTINCT {schema.quoted(columns)} FROM "{table}" ORDER BY ALL').fetchall()

    def _attached(self) -> duckdb.DuckDBPyConnection:
        con = self._instance().cursor()
        try:
            self._patiently(con)
            con.execute(f"USE {_NAME}")
            self.meta = schema.prepare(con)
        except BaseException:
            self._detach(con)
            raise
        return con

    def _patiently(self, con: duckdb.DuckDBPyConnection) -> None:
        import duckdb

        if not self.path.exists():
            self.log.unlink(missing_ok=True)
        path = str(self.path).replace("'", "''")
        until = time.monotonic() + STRANGER_SECONDS
        while True:
            try:
                con.execute(f"ATTACH '{path}' AS {_NAME} (STORAGE_VERSION '{STORAGE}')")
                return
            except duckdb.IOException as error:
                if "lock on file" not in str(error):
                    raise
                if time.monotonic() > until:
                    raise CacheBusy(f"{self.path} is open in another program: {first_line(error)}") from None
            time.sleep(0.05)

    def _detach(self, con: duckdb.DuckDBPyConnection) -> None:
        """Close the file, undoing what was not committed. An instance that can't is given up, and the file with it."""
        import duckdb

        con.close()
        instance = self._instance()
        try:
            if self.log.exists() and self.log.stat().st_size > LOG_KEPT:
                instance.execute(f"CHECKPOINT {_NAME}")
            instance.execute(f"DETACH DATABASE IF EXISTS {_NAME}")
        except duckdb.Error:
            instance.close()
            self._duckdb = self._small = None

    def _instance(self) -> duckdb.DuckDBPyConnection:
        """A DuckDB of its own that the file is attached to while open: starting one costs more than a small load."""
        if self._duckdb is None or self._duckdb[0] != os.getpid():
            import duckdb

            config: dict[str, str | bool | int | float | list[str]] = {
                "memory_limit": MEMORY,
                "temp_directory": str(self.path.with_suffix(".tmp")),
            }
            instance = duckdb.connect(config=config)
            instance.execute("PRAGMA disable_checkpoint_on_shutdown")
            instance.execute("SET GLOBAL TimeZone = 'UTC'")
            self._duckdb = os.getpid(), instance
        return self._duckdb[1]


def file_identity(path: Path) -> tuple[int, int] | None:
    """Which file it is, whatever is in it; None for none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _is_whole(meta: dict[str, str]) -> bool:
    return meta.get("whole") == "yes" and schema.outdated(meta) is None
