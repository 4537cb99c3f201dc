"""The one row of `publication`: what a published file shows, and of which cache and ledger."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from warehouse.cache.sql import literal
from warehouse.publish import catalog as catalogue
from warehouse.publish import replay as following

if TYPE_CHECKING:
    import duckdb

    from payer.values.ledger_reads import LedgerReader

LAYOUT = 3
"""Raised when the analysts' file changes in a way that updating can't follow; it is then made anew."""

_COLUMNS = "layout, ledger_seq, ledger_mark, loads, avoided_seq, build, rewinds"


@dataclass(frozen=True, slots=True)
class Stamp:
    """`ledger_mark` is what stands in the ledger at `ledger_seq`: another ledger has something else there."""

    layout: int
    ledger_seq: int
    ledger_mark: str | None
    loads: int
    avoided_seq: int
    build: str
    rewinds: int

    def follows(self, cache: following.Seen) -> bool:
        """Whether the file can be brought up to this cache by what changed since."""
        return (self.layout, self.build) == (LAYOUT, cache.build)

    def is_of(self, ledger: LedgerReader) -> bool:
        """Whether it is still the ledger that the file was made from, and not one restored or begun anew."""
        return self.ledger_mark == ledger.mark(self.ledger_seq)


def create(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(
        "CREATE TABLE IF NOT EXISTS pub.publication (layout BIGINT, shape VARCHAR, ledger_seq BIGINT, ledger_mark "
        "VARCHAR, loads BIGINT, avoided_seq BIGINT, build VARCHAR, rewinds BIGINT, published_at TIMESTAMPTZ)"
    )


def read(con: duckdb.DuckDBPyConnection, schema: str) -> Stamp | None:
    """What a file says it shows, None for one that says nothing or is of another layout."""
    import duckdb

    try:
        found = con.execute(f"SELECT {_COLUMNS} FROM {schema}.publication").fetchall()
    except (duckdb.CatalogException, duckdb.BinderException):
        return None
    return Stamp(*found[0]) if found else None


def of_file(con: duckdb.DuckDBPyConnection, path: Path) -> Stamp | None:
    """What a file that is not attached says. None for one that is not there, or is none of ours."""
    import duckdb

    if not path.exists():
        return None
    try:
        con.execute(f"ATTACH {literal(path)} AS seen (READ_ONLY)")
    except (duckdb.IOException, duckdb.SerializationException, duckdb.InvalidInputException):
        return None
    try:
        return read(con, "seen")
    finally:
        con.execute("DETACH seen")


def write(con: duckdb.DuckDBPyConnection, ledger: LedgerReader, seq: int) -> None:
    cache = following.seen(con)
    con.execute("DELETE FROM pub.publication")
    con.execute(
        f"INSERT INTO pub.publication ({_COLUMNS}, shape, published_at) SELECT ?, ?, ?, (SELECT count(*) FROM loads), "
        "(SELECT coalesce(max(seq), 0) FROM pub.avoided), ?, ?, ?, now()",
        [LAYOUT, seq, ledger.mark(seq), cache.build, cache.rewinds, catalogue.shape()],
    )
