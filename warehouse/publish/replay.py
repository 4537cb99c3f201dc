"""What is published follows the cache: also one that was made anew, and one that went back to take in a late delivery.

A cache file has a `build` of its own. `rewinds` grows by a row where observations of a table from a time on were
withdrawn and brought again. Who copies from the cache keeps both as last seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from warehouse.cache.generation import read_meta
from warehouse.cache.sql import literal, quoted
from warehouse.cache.tables import Table, declared_tables

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True, slots=True)
class Seen:
    """Which cache file this is, and how often it has gone back."""

    build: str
    rewinds: int


def seen(con: duckdb.DuckDBPyConnection) -> Seen:
    """Of the cache that is open."""
    [(rewinds,)] = con.execute("SELECT count(*) FROM rewinds").fetchall()
    return Seen(read_meta(con)["build"], int(rewinds))


def rewound(con: duckdb.DuckDBPyConnection, before: int) -> list[tuple[Table, datetime]]:
    """Tables that went back after so many rewinds, and from when on their observations may differ."""
    query = "SELECT table_name, min(since) FROM rewinds WHERE rowid >= ? GROUP BY ALL ORDER BY ALL"
    found = con.execute(query, [before]).fetchall()
    known = declared_tables()
    return [(known[name], since) for name, since in found if name in known]


def replay(con: duckdb.DuckDBPyConnection, before: int) -> None:
    """Bring the published tables `pub` to what the cache says since, of deliveries that both know."""
    for own, since in rewound(con, before):
        _replay_table(con, own, since)


def _replay_table(con: duckdb.DuckDBPyConnection, own: Table, since: datetime) -> None:
    theirs, ours = f"pub.{quoted(own.observations)}", quoted(own.observations)
    key = ", ".join(quoted(name) for name in own.natural_key)
    later = f"observed_at >= TIMESTAMPTZ '{since.isoformat()}'"
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE touched AS SELECT {key} FROM {theirs} WHERE {later} "
        f"UNION SELECT {key} FROM {ours} WHERE {later}"
    )
    con.execute(f"DELETE FROM {theirs} WHERE {later}")
    con.execute(f"INSERT INTO {theirs} BY NAME FROM {ours} WHERE {later}")
    make_current(con, own)
    datasets = f"dataset IN ({', '.join(literal(name) for name in own.datasets)})"
    con.execute(f"DELETE FROM pub.loads WHERE {datasets} AND {later}")
    con.execute(f"INSERT INTO pub.loads BY NAME FROM loads WHERE {datasets} AND {later}")


def make_current(con: duckdb.DuckDBPyConnection, own: Table) -> None:
    """The cache's current rows of the keys in `touched`, in place of those published."""
    same = " AND ".join(f"p.{quoted(n)} IS NOT DISTINCT FROM k.{quoted(n)}" for n in own.natural_key)
    con.execute(f"DELETE FROM pub.{quoted(own.name)} p USING touched k WHERE {same}")
    newest = f"FROM {quoted(own.newest)} p SEMI JOIN touched k ON {same}"
    version = ", ".join(quoted(name) for name in (*own.natural_key, "seq"))
    current = f"FROM {quoted(own.observations)} SEMI JOIN ({newest}) USING ({version})"
    con.execute(f"INSERT INTO pub.{quoted(own.name)} BY NAME {current}")


def mirror_drift(con: duckdb.DuckDBPyConnection) -> None:
    """All of it, as what is known of a change may be known of an earlier day by now."""
    con.execute("DELETE FROM pub.drift")
    con.execute("INSERT INTO pub.drift BY NAME FROM drift")
