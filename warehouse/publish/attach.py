"""Attach the standby file to the open cache as `pub`, with every table, column, view, macro and comment of today."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

from warehouse.cache.generation import cache_version
from warehouse.cache.sql import definition, literal, quoted
from warehouse.cache.store import STORAGE, file_identity
from warehouse.cache.tables import declared_tables
from warehouse.dictionary.find import comment
from warehouse.publish import costs, stamp
from warehouse.publish.versions import Standby
from warehouse.publish.views import catalog, quality, row_versions, table_parts

if TYPE_CHECKING:
    import duckdb

MIRRORED = ("loads", "quarantined")
"""Tables of the cache that are published as they are, by delivery."""


@contextmanager
def attached(con: duckdb.DuckDBPyConnection, standby: Standby, *, take_over: bool = False) -> Iterator[None]:
    """The standby file as `pub`. One that is missing, damaged, of another layout or another cache is begun again;
    with `take_over`, one of another cache is continued where this one has all of its deliveries.

    One that this publication has begun, and not stamped yet, is gone on with: beginning takes a second.
    """
    attach = f"ATTACH {literal(standby.path)} AS pub (STORAGE_VERSION '{STORAGE}')"
    begun = standby.begun is not None and standby.begun == file_identity(standby.path)
    try:
        con.execute(attach)
        shown = stamp.read(con, "pub")
        if not (begun if shown is None else _can_update(con, shown, take_over=take_over)):
            con.execute("DETACH pub")
            standby.discard()
            con.execute(attach)
            begun = False
    except _unusable():
        standby.discard()
        con.execute(attach)
        begun = False
    try:
        same_shape = "SELECT 1 FROM pub.publication WHERE shape = ?"
        if not begun and (stamp.read(con, "pub") is None or not con.execute(same_shape, [catalog.shape()]).fetchall()):
            create_tables(con)
            con.execute("CHECKPOINT pub")  # to open it again, its log would be replayed: that takes longer
            standby.begun = file_identity(standby.path)
        yield
    finally:
        con.execute("DETACH pub")


def _can_update(con: duckdb.DuckDBPyConnection, shown: stamp.Stamp, *, take_over: bool) -> bool:
    cache = cache_version(con)
    if shown.follows(cache) or not (take_over and shown.is_continued_by(cache)):
        return shown.follows(cache)
    [(lacking,)] = con.execute("SELECT count(*) FROM pub.loads ANTI JOIN loads USING (purchase_id)").fetchall()
    return not lacking


@contextmanager
def transaction(con: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Commit at the end, undo everything on an error."""
    con.execute("BEGIN")
    try:
        yield
    except BaseException:
        con.execute("ROLLBACK")
        raise
    con.execute("COMMIT")


def publish_facts(con: duckdb.DuckDBPyConnection) -> None:
    """Replace the published facts on quality by those of the open cache."""
    with quality.fact_queries(con) as queries:
        for name, query in queries.items():
            con.execute(f"DELETE FROM pub.{name}")
            con.execute(f"INSERT INTO pub.{name} BY NAME {query}")


def _unusable() -> tuple[type[Exception], ...]:
    """DuckDB's errors for a file that is missing, damaged, or not ours."""
    import duckdb

    return (duckdb.IOException, duckdb.CatalogException, duckdb.SerializationException, duckdb.InvalidInputException)


def create_tables(con: duckdb.DuckDBPyConnection, *, comments: bool = True) -> None:
    """Create in `pub` what is declared and missing, also in a file of an earlier declaration."""
    with transaction(con):
        present = _columns(con)
        for table in declared_tables().values():
            parts = {table.name: row_versions.current_fields(table)}
            parts[row_versions.name_of(table)] = row_versions.version_fields(table)
            for name, fields in parts.items():
                if name not in present:
                    con.execute(f"CREATE TABLE pub.{quoted(name)} ({definition(fields)})")
                for column, kind in fields if name in present else ():
                    if column not in present[name]:
                        con.execute(f"ALTER TABLE pub.{quoted(name)} ADD COLUMN {quoted(column)} {kind}")
        for name in (*MIRRORED, "drift"):
            con.execute(f"CREATE TABLE IF NOT EXISTS pub.{name} AS FROM {name} LIMIT 0")
        stamp.create(con)
        table_parts.create(con)
        with quality.fact_queries(con) as queries:
            for name, query in queries.items():
                con.execute(f"CREATE OR REPLACE TABLE pub.{name} AS {query} LIMIT 0")
        costs.create(con, "pub")
        _create_views(con)
        if comments:
            comment(con, "pub")


def _columns(con: duckdb.DuckDBPyConnection) -> dict[str, set[str]]:
    query = "SELECT table_name, column_name FROM duckdb_columns() WHERE database_name = 'pub' AND NOT internal"
    found: dict[str, set[str]] = {}
    for table, column in con.execute(query).fetchall():
        found.setdefault(table, set()).add(column)
    return found


def _create_views(con: duckdb.DuckDBPyConnection) -> None:
    [(cache,)] = con.execute("SELECT current_database()").fetchall()
    con.execute("USE pub")
    marked = "SELECT view_name FROM duckdb_views() WHERE database_name = 'pub' AND starts_with(view_name, ?)"
    for (marker,) in con.execute(marked, [catalog.ONLY_HERE]).fetchall():
        con.execute(f"DROP VIEW {quoted(marker)}")
    for statement in catalog.statements(uuid4().hex[:12]):
        con.execute(statement)
    con.execute(f"USE {quoted(cache)}")
