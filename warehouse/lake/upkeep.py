"""Keep a lake small by DuckLake's own functions: small files merged, old snapshots and files ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

SNAPSHOT_DAYS = 30
"""Days for which an older state of the lake can be asked for (AT VERSION, AT TIMESTAMP)."""
FILE_DAYS = 2
"""Days for which a file that no snapshot names is kept: for a query that began before, and for a write on its way."""


@dataclass(frozen=True, slots=True)
class Tidied:
    """One pass: snapshots ended, files before and after."""

    snapshots: int
    files_before: int
    files_after: int


def tidy(con: duckdb.DuckDBPyConnection) -> Tidied:
    """Merge small files, end snapshots older than SNAPSHOT_DAYS, delete files that nothing names for FILE_DAYS."""
    before = _files(con)
    con.execute("CALL ducklake_merge_adjacent_files('lake')")
    older = f"older_than => now() - INTERVAL {SNAPSHOT_DAYS} DAY"
    ended = len(con.execute(f"CALL ducklake_expire_snapshots('lake', {older})").fetchall())
    for each in ("ducklake_cleanup_old_files", "ducklake_delete_orphaned_files"):
        con.execute(f"CALL {each}('lake', older_than => now() - INTERVAL {FILE_DAYS} DAY)")
    return Tidied(ended, before, _files(con))


def _files(con: duckdb.DuckDBPyConnection) -> int:
    [(files,)] = con.execute("SELECT coalesce(sum(file_count), 0) FROM ducklake_table_info('lake')").fetchall()
    return int(files)
