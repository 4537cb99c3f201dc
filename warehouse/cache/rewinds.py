"""Follow a cache file from one copy to the next: which file it is, and which tables were loaded again since when.

A delivery that arrives late makes its load delete the table's later rows and load them again, in order. The cache's
table `rewinds` gets a row for it. A copy that keeps `build` and the number of rewinds knows what to copy again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from warehouse.cache.generation import read_meta
from warehouse.cache.tables import Table, declared_tables

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True, slots=True)
class CacheVersion:
    """`build` is one cache file's own id, `rewinds` the number of rewinds in it."""

    build: str
    rewinds: int


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
