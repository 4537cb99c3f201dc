"""Partitions, one dataset's month each, as conditions on the cache's observations; and those to rebuild, because their
files are damaged or no longer hold what the cache holds.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sources import registry
from warehouse.cache.generation import cache_version, overtaken_tables, rewound_tables
from warehouse.cache.integrity import fingerprint
from warehouse.cache.sql import literal, quoted
from warehouse.cache.tables import Table, create_table, declared_tables
from warehouse.snapshots.manifest import Manifest, Partition, SnapshotFile, SnapshotsDamaged

if TYPE_CHECKING:
    import duckdb


def table_of(dataset: str) -> Table:
    return declared_tables()[registry.dataset(dataset).table]


def month_sql(table: Table) -> str:
    """The expression for a row's month, as 2026-11."""
    return f"strftime({quoted(table.time_column)}, '%Y-%m')"


def partition_sql(table: Table, partition: Partition) -> str:
    dataset, month = partition
    return f"dataset = {literal(dataset)} AND {month_sql(table)} = {literal(month)}"


def damaged_partitions(root: Path, manifest: Manifest, *, thorough: bool) -> set[Partition]:
    """Partitions with a file whose content is gone or, with `thorough`, is not what the manifest says."""
    return {file.partition for file in manifest.files if not _is_intact(root, file, thorough=thorough)}


def _is_intact(root: Path, file: SnapshotFile, *, thorough: bool) -> bool:
    """Check one file. A content that is gone is restored from its link first, where the link has the right hash."""
    content, shown = root / file.content, root / file.link
    if content.exists():
        expected = (file.rows, set(file.purchases))
        return not thorough or (sha256_of(content) == file.sha256 and rows_and_purchases(content) == expected)
    if not shown.exists() or sha256_of(shown) != file.sha256:
        return False
    os.link(shown, content)
    return True


def rows_and_purchases(content: Path) -> tuple[int, set[str]] | None:
    """A Parquet file's number of rows and the ids of their purchases; None where it can't be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(content) as parquet:
            purchases = parquet.read(columns=["purchase_id"])["purchase_id"].unique().to_pylist()
            return parquet.metadata.num_rows, set(purchases)
    except (pa.ArrowException, OSError):
        return None


def is_nullable(path: Path) -> bool:
    """True when every column of the file may be null. Raises pyarrow's errors for a file that can't be read."""
    import pyarrow.parquet as pq

    return all(field.nullable for field in pq.read_schema(path))


def require_intact(root: Path, files: Sequence[SnapshotFile]) -> None:
    """Raise SnapshotsDamaged for a content that is gone or not what the manifest says."""
    for file in files:
        if not _is_intact(root, file, thorough=True):
            raise SnapshotsDamaged(f"{file.content} is damaged")


def sha256_of(path: Path) -> str:
    """Hash a file of any size; hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def outdated_partitions(
    con: duckdb.DuckDBPyConnection,
    root: Path,
    manifest: Manifest,
    damaged: set[Partition],
    *,
    every: bool,
    take_over: bool = False,
) -> set[Partition]:
    """Partitions that differ from what the cache has of the manifest's purchases (table `snapshotted`).

    Compares those that a rewind may have touched, and all of them after the cache was rebuilt or with `every`. With
    `take_over`, those that another cache wrote are compared where late deliveries may have touched them. The `damaged`
    ones are left out.
    """
    cache = cache_version(con)
    if not manifest.files or (not every and (manifest.build, manifest.rewinds) == (cache.build, cache.rewinds)):
        return set()
    files = manifest.partitions()
    if not every and take_over and cache.continues(manifest.build):
        late = overtaken_tables(con, "FROM unsnapshotted", "FROM snapshotted")
        suspects = _touched_partitions(con, manifest, late)
    elif every or manifest.build != cache.build:
        tables = _tables_with_rows(con, files)
        suspects = set(files) | {partition for table in tables for partition in _partitions(con, table)}
    else:
        suspects = _touched_partitions(con, manifest, rewound_tables(con, manifest.rewinds))
    return {part for part in suspects - damaged if _differs(con, root, part, files.get(part, []))}


def _tables_with_rows(con: duckdb.DuckDBPyConnection, partitions: Iterable[Partition]) -> list[Table]:
    """Tables of what was loaded or is in files. Creates those that the cache lacks, empty."""
    datasets = {name for (name,) in con.execute("SELECT DISTINCT dataset FROM loads").fetchall()}
    datasets |= {dataset for dataset, _ in partitions}
    tables = [table for table in declared_tables().values() if datasets.intersection(table.datasets)]
    for table in tables:
        create_table(con, table)
    return tables


def _partitions(con: duckdb.DuckDBPyConnection, table: Table, where: str = "true") -> set[Partition]:
    query = f"SELECT DISTINCT dataset, {month_sql(table)} FROM {quoted(table.observations)} WHERE {where}"
    return {(dataset, month) for dataset, month in con.execute(query).fetchall()}


def _touched_partitions(
    con: duckdb.DuckDBPyConnection, manifest: Manifest, late: Sequence[tuple[Table, datetime]]
) -> set[Partition]:
    """Partitions with rows, in the cache or in files, of a table's deliveries from a time on."""
    partitions: set[Partition] = set()
    for table, since in late:
        later = f"observed_at >= TIMESTAMPTZ '{since.isoformat()}'"
        partitions |= _partitions(con, table, later)
        query = f"SELECT purchase_id FROM loads WHERE list_contains(?, dataset) AND {later}"
        purchases = {purchase for (purchase,) in con.execute(query, [list(table.datasets)]).fetchall()}
        files = [file for file in manifest.files if file.dataset in table.datasets]
        partitions |= {file.partition for file in files if not purchases.isdisjoint(file.purchases)}
    return partitions


def _differs(con: duckdb.DuckDBPyConnection, root: Path, partition: Partition, files: Sequence[SnapshotFile]) -> bool:
    """True for other rows, other values, columns of another name or type, and files that can't be read; also for files
    of an older tollbook, in which some columns may not be null."""
    if not all(_is_intact(root, file, thorough=True) and is_nullable(root / file.content) for file in files):
        return True
    table = table_of(partition[0])
    rows = f"SELECT * EXCLUDE (dataset) FROM {quoted(table.observations)} WHERE {partition_sql(table, partition)}"
    cached = f"{rows} AND purchase_id IN (FROM snapshotted)"
    columns = _columns(con, cached)
    contents = [f"SELECT * FROM read_parquet({literal(root / f.content)}, hive_partitioning = false)" for f in files]
    if any(_columns(con, content) != columns for content in contents):
        return True
    published = " UNION ALL BY NAME ".join(contents) or f"{cached} AND false"
    return fingerprint(con, columns, f"({published})") != fingerprint(con, columns, f"({cached})")


def _columns(con: duckdb.DuckDBPyConnection, query: str) -> dict[str, str]:
    return {name: kind for name, kind, *_ in con.execute(f"DESCRIBE {query}").fetchall()}
