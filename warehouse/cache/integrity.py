"""Tell a damaged DuckDB file from other trouble, and compare what two files hold."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from warehouse.cache.generation import generation, generation_of
from warehouse.cache.sql import literal, quoted
from warehouse.cache.tables import declared_tables
from warehouse.errors import CacheDamaged

if TYPE_CHECKING:
    import duckdb


_DAMAGED = ("corrupt", "checksum", "not a valid duckdb", "could not read enough bytes", "replaying wal", "wal file")
_CANNOT_WRITE = ("could not write", "could not sync", "could not truncate", "no space", "permission", "read-only")


def is_damage(error: Exception) -> bool:
    """True when the file itself is at fault, not the disk, a program that holds it, or the query."""
    import duckdb

    if any(words in str(error).lower() for words in _CANNOT_WRITE):
        return False
    fatal = (duckdb.SerializationException, duckdb.InternalException, duckdb.FatalException)
    return isinstance(error, fatal) or is_certain_damage(error)


def is_certain_damage(error: Exception) -> bool:
    """True when DuckDB names a checksum, a header or a log. An internal error may be DuckDB's own defect instead."""
    text = str(error).lower()
    return any(words in text for words in _DAMAGED) and not any(words in text for words in _CANNOT_WRITE)


def first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:300]


FILE_TABLES = {"meta", "rewinds", "declared", "scheduled", "watched"}
"""Tables about the file or the configuration: two caches with the same content may differ in them."""


def fingerprints(con: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Map each table to `rows:hash` over every value of every row, in any order. Columns are hashed with their names,
    so that one added later may stand elsewhere."""
    names = con.execute(
        "SELECT table_name FROM duckdb_tables() WHERE database_name = current_database() ORDER BY table_name"
    ).fetchall()
    return {name: _table_fingerprint(con, name) for (name,) in names if name not in FILE_TABLES}


def _table_fingerprint(con: duckdb.DuckDBPyConnection, table: str) -> str:
    query = "SELECT column_name FROM duckdb_columns() WHERE database_name = current_database() AND table_name = ?"
    columns = [name for (name,) in con.execute(query, [table]).fetchall()]
    return fingerprint(con, columns, quoted(table))


def fingerprint(con: duckdb.DuckDBPyConnection, columns: Iterable[str], source: str) -> str:
    """`rows:hash` of these columns of a table or query, given as SQL."""
    values = ", ".join(f"{literal(name)}, {quoted(name)} IS NULL, {quoted(name)}" for name in sorted(columns))
    rows, total = con.execute(f"SELECT count(*), sum(hash(hash({values}))::HUGEINT) FROM {source}").fetchall()[0]
    return f"{rows}:{int(total or 0):x}"


def read_through(con: duckdb.DuckDBPyConnection, database: str) -> None:
    """Read every value of every table of an attached file. Raises DuckDB's error for a block that can't be read, and
    CacheDamaged for rows that are not what their hashes say."""
    with_rows = "SELECT table_name FROM duckdb_tables() WHERE database_name = ? AND estimated_size > 0"
    names = con.execute(with_rows, [database]).fetchall()
    for (name,) in names:
        con.execute(f"SELECT max(hash(whole_row)) FROM {database}.{quoted(name)} whole_row").fetchall()
    _compare_with_hashes(con, database, {name for (name,) in names})


_BUILDS = {"meta": "SELECT value FROM {}.meta WHERE name = 'build'", "publication": "SELECT build FROM {}.publication"}
"""Per table that says so the query for the build of a file, or of the cache that it was published from."""


def _compare_with_hashes(con: duckdb.DuckDBPyConnection, database: str, names: set[str]) -> None:
    """DuckDB adds up the words of a block in any order: zeros over an even number of equal words pass its checksum.

    Rows that a table shows of its twin have the twin's hash. A file of another generation has other hashes.
    """
    builds = [con.execute(_BUILDS[name].format(database)).fetchall() for name in _BUILDS.keys() & names]
    if generation() not in {generation_of(build) for [(build,)] in builds}:
        return
    for table in declared_tables().values():
        datasets = ", ".join(map(literal, table.datasets))
        differing = f"dataset IN ({datasets}) AND row_hash IS DISTINCT FROM {table.content_hash}"
        for name in names & {table.observations, table.name, f"{table.name}_versions"}:
            query = f"SELECT count(*) FROM {database}.{quoted(name)} batch WHERE {differing}"
            [(rows,)] = con.execute(query).fetchall()
            if rows:
                raise CacheDamaged(f"{rows} rows of {name} are not what their hashes say")
