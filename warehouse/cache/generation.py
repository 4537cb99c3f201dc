"""The generation of a cache file: format, declared tables and hash function. Rows of another can't be added to. And
following a file from one copy to the next: which file it is, and which tables were loaded again since when.

A delivery that arrives late makes its load delete the table's later rows and load them again, in order. The cache's
table `rewinds` gets a row for it. A copy that keeps `build` and the number of rewinds knows what to copy again.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING
from uuid import uuid4

from sources import registry
from sources.parse import PARSER
from warehouse.cache.instance import in_memory
from warehouse.cache.sql import literal
from warehouse.cache.tables import Table, declared_tables

if TYPE_CHECKING:
    import duckdb

FORMAT = 4
"""Raised when tables of the cache change in meaning: an older file is then rebuilt from the ledger."""

_SAMPLE = "SELECT hash('a', 1::BIGINT, NULL, 0.1::DOUBLE, DATE '2025-01-01', TIMESTAMPTZ '2025-01-01 00:00:00+00')"


@registry.cached
def declaration() -> str:
    """Fingerprint of all declared tables."""
    declared = [(t.name, t.fields, t.natural_key, t.compared, t.datasets) for t in declared_tables().values()]
    return hashlib.blake2s(f"{FORMAT}|{declared!r}".encode(), digest_size=12).hexdigest()


@cache
def hash_function() -> str:
    """DuckDB's hash of a sample row. A release with another hash function can't compare with stored hashes."""
    with in_memory() as con:
        return str(con.execute(_SAMPLE).fetchall()[0][0])


def generation() -> str:
    """The generation of a file made today. Files of one generation read a body to the same rows."""
    text = f"{FORMAT}|{PARSER}|{declaration()}|{hash_function()}"
    return hashlib.blake2s(text.encode(), digest_size=8).hexdigest()


def new_build() -> str:
    """An id for one cache file, which ends in its generation."""
    return f"{uuid4().hex}-{generation()}"


def generation_of(build: str | None) -> str:
    """The generation of a build; empty for one of an earlier tollbook."""
    return (build or "").partition("-")[2]


def outdated(meta: dict[str, str]) -> str | None:
    """Explain why rows can't be added to a file with this `meta`; None where they can."""
    if meta["format"] != str(FORMAT):
        return f"the cache is of format {meta['format']}, now it is {FORMAT}"
    if meta["built"] != declaration():
        return "the declared tables have changed"
    if meta.get("parser", "1") != str(PARSER):
        return "bodies are read otherwise by this release"
    return None if meta["hash"] == hash_function() else "this release of DuckDB has another hash function"


def is_complete(meta: dict[str, str]) -> bool:
    """True when everything bought has been loaded since the file was made, under the declarations of today."""
    return meta.get("whole") == "yes" and outdated(meta) is None


def read_meta(con: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """The file's `meta` table; empty for a new file."""
    import duckdb

    try:
        return dict(con.execute("SELECT name, value FROM meta").fetchall())
    except duckdb.CatalogException:
        return {}


def write_meta(con: duckdb.DuckDBPyConnection, **values: str) -> None:
    for name, value in values.items():
        con.execute("DELETE FROM meta WHERE name = ?", [name])
        con.execute("INSERT INTO meta VALUES (?, ?)", [name, value])


@dataclass(frozen=True, slots=True)
class CacheVersion:
    """`build` is one cache file's own id, `rewinds` the number of rewinds in it."""

    build: str
    rewinds: int

    def continues(self, build: str | None) -> bool:
        """True when this file and that other one read every body to the same rows: what was made from the other one
        can be continued from this one, if it has the same deliveries."""
        return build != self.build and bool(generation_of(build)) and generation_of(build) == generation_of(self.build)


def cache_version(con: duckdb.DuckDBPyConnection) -> CacheVersion:
    """The version of the open cache."""
    [(rewinds,)] = con.execute("SELECT count(*) FROM rewinds").fetchall()
    return CacheVersion(read_meta(con)["build"], int(rewinds))


def rewound_tables(con: duckdb.DuckDBPyConnection, after: int) -> list[tuple[Table, datetime]]:
    """Tables with a rewind behind the first `after`, each with the time from which its observations may differ."""
    query = "SELECT table_name, min(since) FROM rewinds WHERE rowid >= ? GROUP BY ALL ORDER BY ALL"
    declared = declared_tables()
    rows = con.execute(query, [after]).fetchall()
    return [(declared[name], since) for name, since in rows if name in declared]


def overtaken_tables(con: duckdb.DuckDBPyConnection, news: str, shown: str) -> list[tuple[Table, datetime]]:
    """Tables of which deliveries in `news` precede others in `shown`, each with the time from which its observations
    may differ from those that were made without the news. Both are queries with a column purchase_id.

    Rewinds say the same of a copy of this cache; this is for one that was made from another.
    """
    found = []
    for table in declared_tables().values():
        datasets = f"dataset IN ({', '.join(literal(name) for name in table.datasets)})"
        newest = (
            f"SELECT max(row(observed_at, seq)) FROM loads SEMI JOIN ({shown}) USING (purchase_id) WHERE {datasets}"
        )
        query = (
            f"SELECT min(observed_at) FROM loads SEMI JOIN ({news}) USING (purchase_id) "
            f"WHERE {datasets} AND row(observed_at, seq) < ({newest})"
        )
        [(since,)] = con.execute(query).fetchall()
        if since is not None:
            found.append((table, since))
    return found
