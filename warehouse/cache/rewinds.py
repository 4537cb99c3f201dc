"""Follow a cache file from one copy to the next: which file it is, and which tables were loaded again since when.

A delivery that arrives late makes its load delete the table's later rows and load them again, in order. The cache's
table `rewinds` gets a row for it. A copy that keeps `build` and the number of rewinds knows what to copy again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from warehouse.cache.generation import generation_of, read_meta
from warehouse.cache.sql import literal
from warehouse.cache.tables import Table, declared_tables

if TYPE_CHECKING:
    import duckdb


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
