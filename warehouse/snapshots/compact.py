"""Merge many small snapshot files into one per partition, while readers go on.

A reader of folders sees a month's old files or its new one, never both: the partition's folder is exchanged for another
in one step. A reader that took its list from a manifest finds those contents for a day; one that listed a folder just
before the exchange and opens its files just after finds them gone, and lists again.

The lock is held for one partition at a time, so that publications come between.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from payer.values.crashpoints import crash_point
from payer.values.ledger_reads import CostRow, LedgerReader
from warehouse.cache.instance import in_memory
from warehouse.cache.locking import file_lock
from warehouse.cache.sql import column_list, literal
from warehouse.cache.store import MEMORY
from warehouse.snapshots.layout import (
    PUBLISH_LOCK,
    apply_manifest,
    empty_staging,
    exchange,
    link,
    migrate,
    require_writable,
)
from warehouse.snapshots.manifest import Manifest, SnapshotFile, read_manifest, write_manifest
from warehouse.snapshots.verify import require_intact, table_of
from warehouse.snapshots.write import store

if TYPE_CHECKING:
    import duckdb

_KEPT_FOR = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Compaction:
    """Months rewritten, files before and after, and old contents removed. `note` says what was damaged before."""

    months: int
    files_before: int
    files_after: int
    removed: int
    note: str | None = None


def compact_files(home: Path, ledger: LedgerReader, *, at_least: int, now: datetime) -> Compaction:
    """Rewrite each partition that has `at_least` files as one file with the same rows, purchases and cost.

    Raises SnapshotsDamaged for a file that can't be read.
    """
    root, lock = home / "published" / "snapshots", home / "published" / PUBLISH_LOCK
    with file_lock(lock):
        migrate(root)
    manifest = read_manifest(root)
    before = len(manifest.files)
    partitions = [files for _, files in sorted(manifest.partitions().items()) if len(files) >= at_least]
    merging = {purchase for files in partitions for file in files for purchase in file.purchases}
    rows = ledger.cost_rows() if merging else ()  # with nothing locked
    costs = {row.purchase_id: row for row in rows if row.purchase_id in merging}
    with file_lock(lock):
        empty_staging(root)
        apply_manifest(root, read_manifest(root))
    merged = [root / file.content for files in partitions for file in files]
    with in_memory(*merged, settings={"memory_limit": MEMORY}) as con:
        for files in partitions:
            with file_lock(lock):
                _merge(con, root, costs, files, now)
    with file_lock(lock):
        manifest, removed = _remove_retired(root, read_manifest(root), now)
    return Compaction(len(partitions), before, len(manifest.files), removed)


def _merge(
    con: duckdb.DuckDBPyConnection, root: Path, costs: dict[str, CostRow], files: list[SnapshotFile], now: datetime
) -> None:
    """Merge one partition's files. Files that a publication added since stay beside the new one."""
    manifest = read_manifest(root)
    if not {file.content for file in files} <= {file.content for file in manifest.files}:
        return
    require_writable(root)
    merged = _write_merged(con, root, costs, files, now)
    replaced = {file.content for file in files}
    kept = tuple(file for file in manifest.files if file.content not in replaced)
    retired = {**manifest.retired, **dict.fromkeys(sorted(replaced), now.isoformat(timespec="seconds"))}
    _replace_folder(root, replace(manifest, files=(*kept, merged), retired=retired), merged)


def _write_merged(
    con: duckdb.DuckDBPyConnection, root: Path, costs: dict[str, CostRow], files: list[SnapshotFile], now: datetime
) -> SnapshotFile:
    """Write the files' rows as one content. Raises SnapshotsDamaged, or RuntimeError should a row be lost."""
    require_intact(root, files)
    paths = ", ".join(literal(root / file.content) for file in files)
    contents = f"read_parquet([{paths}], union_by_name = true, hive_partitioning = false)"
    order = column_list((*table_of(files[0].dataset).natural_key, "observed_at", "seq"))
    purchases = sorted({purchase for file in files for purchase in file.purchases})
    query = f"SELECT * FROM {contents} ORDER BY {order}"
    merged = store(con, root, query, files[0].partition, "month", purchases, costs, now)
    if merged.rows != sum(file.rows for file in files):
        before = sum(file.rows for file in files)
        raise RuntimeError(f"{files[0].folder}: {merged.rows} rows after compaction, {before} before")
    return merged


def _replace_folder(root: Path, manifest: Manifest, merged: SnapshotFile) -> None:
    """Write the manifest and exchange the merged file's folder for one that shows what it names."""
    staging = empty_staging(root)
    (staging / merged.folder).mkdir(parents=True)
    for file in manifest.files:
        if file.folder == merged.folder:
            os.link(root / file.content, staging / file.link)
    crash_point("compact.before_manifest")
    write_manifest(root, manifest)
    crash_point("compact.after_manifest")
    exchange(staging / merged.folder, root / merged.folder)
    crash_point("compact.after_exchange")
    link(root, merged)
    shutil.rmtree(staging)


def _remove_retired(root: Path, manifest: Manifest, now: datetime) -> tuple[Manifest, int]:
    """Remove contents that were replaced long enough ago. Returns the manifest without them and their number."""
    old = [name for name, at in manifest.retired.items() if now - datetime.fromisoformat(at) > _KEPT_FOR]
    if not old:
        return manifest, 0
    left = replace(manifest, retired={name: at for name, at in manifest.retired.items() if name not in old})
    write_manifest(root, left)
    for name in old:
        (root / name).unlink(missing_ok=True)
    return left, len(old)
