"""The one row of the table `publication`: what a published file shows, and of which cache and ledger."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from warehouse.cache.generation import CacheVersion, cache_version
from warehouse.cache.sql import literal
from warehouse.cache.store import STORAGE
from warehouse.load.adopt import coverage_tables
from warehouse.publish.ledger_snapshot import LedgerSnapshot
from warehouse.publish.views import catalog

if TYPE_CHECKING:
    import duckdb

LAYOUT = 6
"""Raised when the analysts' file changes in a way that an update can't follow; it is then rebuilt."""

_COLUMNS = "layout, ledger_seq, ledger_mark, loads, avoided_seq, build, rewinds"


@dataclass(frozen=True, slots=True)
class Stamp:
    """Version of a file's rows. `ledger_mark` is what its ledger has at `ledger_seq`, and no other ledger has."""

    layout: int
    ledger_seq: int
    ledger_mark: str | None
    loads: int
    avoided_seq: int
    build: str
    rewinds: int

    def follows(self, cache: CacheVersion) -> bool:
        """True when the file can be updated from this cache by what changed since."""
        return (self.layout, self.build) == (LAYOUT, cache.build)

    def is_continued_by(self, cache: CacheVersion) -> bool:
        """True when it was made from another cache, and can be updated from this one, if it has every delivery."""
        return self.layout == LAYOUT and cache.continues(self.build)

    def is_of(self, ledger: LedgerSnapshot) -> bool:
        """True when the file was made from this ledger, not from one restored or begun since. Needs its mark."""
        return self.ledger_mark == ledger.marks[self.ledger_seq]


def create(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(
        "CREATE TABLE IF NOT EXISTS pub.publication (layout BIGINT, shape VARCHAR, ledger_seq BIGINT, ledger_mark "
        "VARCHAR, loads BIGINT, avoided_seq BIGINT, build VARCHAR, rewinds BIGINT, published_at TIMESTAMPTZ)"
    )


def read(con: duckdb.DuckDBPyConnection, schema: str) -> Stamp | None:
    """The stamp of an attached file; None for a file without one or of another layout."""
    import duckdb

    try:
        rows = con.execute(f"SELECT {_COLUMNS} FROM {schema}.publication").fetchall()
    except (duckdb.CatalogException, duckdb.BinderException):
        return None
    return Stamp(*rows[0]) if rows else None


def read_file(con: duckdb.DuckDBPyConnection, path: Path) -> Stamp | None:
    """The stamp of a file that is not attached; None for a file that is missing, damaged or not ours."""
    import duckdb

    if not path.exists():
        return None
    try:
        con.execute(f"ATTACH {literal(path)} AS stamped (READ_ONLY)")
    except (duckdb.IOException, duckdb.SerializationException, duckdb.InvalidInputException):
        return None
    try:
        return read(con, "stamped")
    finally:
        con.execute("DETACH stamped")


def write(con: duckdb.DuckDBPyConnection, ledger: LedgerSnapshot) -> None:
    """Stamp the attached file `pub` with the open cache and the ledger."""
    cache = cache_version(con)
    con.execute("DELETE FROM pub.publication")
    con.execute(
        f"INSERT INTO pub.publication ({_COLUMNS}, shape, published_at) SELECT ?, ?, ?, (SELECT count(*) FROM loads), "
        "(SELECT coalesce(max(seq), 0) FROM pub.avoided), ?, ?, ?, now()",
        [LAYOUT, ledger.seq, ledger.marks[ledger.seq], cache.build, cache.rewinds, catalog.shape()],
    )


def write_file(con: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Copy the stamp of `pub` into a file of its own, so that it can be read without opening the public file; and what
    the open cache holds, so that a cache and a ledger that are lost cost nothing (warehouse/load/adopt.py)."""
    path.unlink(missing_ok=True)
    con.execute(f"ATTACH {literal(path)} AS stamped (STORAGE_VERSION '{STORAGE}')")
    con.execute("CREATE TABLE stamped.publication AS FROM pub.publication")
    for name in sorted(coverage_tables(con, "cache")):
        con.execute(f"CREATE TABLE stamped.{name} AS FROM {name}")
    con.execute("CHECKPOINT stamped")
    con.execute("DETACH stamped")
