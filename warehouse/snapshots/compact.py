"""Few large snapshot files instead of many small ones, without a reader noticing.

A reader of folders sees a month's old files or its new one, never both: the month's folder is exchanged for another in
one step. A reader that took its list from a manifest keeps finding those contents for a day; one that listed a folder
just before the exchange and opens its files just after finds them gone, and lists again.

The lock is held for a month at a time: publications come between.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from payer.values.crashpoints import crash_point
from payer.values.ledger_reads import CostRow, LedgerReader
from sources import registry
from warehouse.cache.locking import file_lock
from warehouse.cache.sql import column_list, literal
from warehouse.cache.store import MEMORY
from warehouse.cache.tables import declared_tables
from warehouse.publish.publish import publish
from warehouse.publish.versions import LOCK
from warehouse.snapshots.layout import exchange, link, settle
from warehouse.snapshots.manifest import File, Manifest, Unreadable, read_manifest, write_manifest
from warehouse.snapshots.verify import must_be_whole
from warehouse.snapshots.write import cost, store

if TYPE_CHECKING:
    import duckdb

_KEPT_FOR = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Compacted:
    """Months rewritten, files before and after, and old contents removed for good. `note`: what was damaged before."""

    months: int
    files_before: int
    files_after: int
    removed: int
    note: str | None = None


def compact(home: Path, ledger: LedgerReader, *, at_least: int = 2, now: datetime | None = None) -> Compacted:
    """Rewrite each dataset's month that has `at_least` files as one. Rows, purchases and cost stay the same.

    Files that can't be read are made anew first.
    """
    moment = now or datetime.now(UTC)
    try:
        return _compact(home, ledger, at_least, moment)
    except Unreadable:
        note = publish(home, ledger, thorough=True).note
    return replace(_compact(home, ledger, at_least, moment), note=note)


def _compact(home: Path, ledger: LedgerReader, at_least: int, moment: datetime) -> Compacted:
    import duckdb

    root, lock = home / "published" / "snapshots", home / "published" / LOCK
    manifest = read_manifest(root)
    months, before = _months(manifest, at_least), len(manifest.files)
    costs = _costs(ledger, {purchase for files in months for file in files for purchase in file.purchases})
    with file_lock(lock):
        shutil.rmtree(root / ".staging", ignore_errors=True)
        settle(root, read_manifest(root))
    with duckdb.connect(config={"memory_limit": MEMORY}) as con:
        con.execute("SET TimeZone = 'UTC'")
        for files in months:
            with file_lock(lock):
                _rewrite(con, root, costs, files, moment)
    with file_lock(lock):
        manifest, removed = _forget(root, read_manifest(root), moment)
    return Compacted(len(months), before, len(manifest.files), removed)


def _months(manifest: Manifest, at_least: int) -> list[list[File]]:
    groups: dict[str, list[File]] = {}
    for file in manifest.files:
        groups.setdefault(file.folder, []).append(file)
    return [files for _, files in sorted(groups.items()) if len(files) >= at_least]


def _rewrite(
    con: duckdb.DuckDBPyConnection, root: Path, costs: dict[str, CostRow], files: list[File], now: datetime
) -> None:
    """One month. Files that a publication added since are left beside the new one."""
    manifest = read_manifest(root)
    if not {file.content for file in files} <= {file.content for file in manifest.files}:
        return
    must_be_whole(root, files)
    paths = ", ".join(literal(root / file.content) for file in files)
    contents = f"read_parquet([{paths}], union_by_name = true, hive_partitioning = false)"
    table = declared_tables()[registry.dataset(files[0].dataset).table]
    order = column_list((*table.natural_key, "observed_at", "seq"))
    sha256, rows, size = store(con, root, f"SELECT * FROM {contents} ORDER BY {order}")
    purchases = sorted({purchase for file in files for purchase in file.purchases})
    merged = File(
        dataset=files[0].dataset,
        month=files[0].month,
        name=f"month-{sha256[:16]}",
        rows=rows,
        bytes=size,
        sha256=sha256,
        purchases=tuple(purchases),
        cost=cost(costs[purchase] for purchase in purchases if purchase in costs),
        written_at=now.isoformat(timespec="seconds"),
    )
    if rows != sum(file.rows for file in files):
        raise RuntimeError(f"{merged.folder}: {rows} rows after compaction, {sum(f.rows for f in files)} before")
    replaced = {file.content for file in files}
    kept = tuple(file for file in manifest.files if file.content not in replaced)
    retired = {**manifest.retired, **dict.fromkeys(sorted(replaced), now.isoformat(timespec="seconds"))}
    compacted = replace(manifest, files=(*kept, merged), retired=retired)
    staging = root / ".staging"
    (staging / merged.folder).mkdir(parents=True)
    for file in compacted.files:
        if file.folder == merged.folder:
            os.link(root / file.content, staging / file.link)
    crash_point("compact.before_manifest")
    write_manifest(root, compacted)
    crash_point("compact.after_manifest")
    exchange(staging / merged.folder, root / merged.folder)
    crash_point("compact.after_exchange")
    link(root, merged)
    shutil.rmtree(staging)


def _forget(root: Path, manifest: Manifest, now: datetime) -> tuple[Manifest, int]:
    """Remove contents that were replaced long enough ago."""
    old = [name for name, at in manifest.retired.items() if now - datetime.fromisoformat(at) > _KEPT_FOR]
    if not old:
        return manifest, 0
    left = replace(manifest, retired={name: at for name, at in manifest.retired.items() if name not in old})
    write_manifest(root, left)
    for name in old:
        (root / name).unlink(missing_ok=True)
    return left, len(old)


def _costs(ledger: LedgerReader, purchases: set[str]) -> dict[str, CostRow]:
    """What these purchases came to, read once and with nothing locked. None to compact: nothing is read."""
    if not purchases:
        return {}
    return {row.purchase_id: row for row in ledger.cost_rows() if row.purchase_id in purchases}
