"""Few large snapshot files instead of many small ones, without a reader noticing.

A reader of folders sees a month's old files or its new one, never both: the month's folder is exchanged for another in
one step. A reader that took its list from a manifest keeps finding those contents for a day.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from tollbook.crashpoints import crash_point
from tollbook.payer.ledger_reads import LedgerReader
from tollbook.warehouse.costs import in_asset
from tollbook.warehouse.snapshots import File, Manifest, link, read_manifest, settle, store, write_manifest

if TYPE_CHECKING:
    import duckdb

_KEPT_FOR = timedelta(days=1)
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


@dataclass(frozen=True, slots=True)
class Compacted:
    """Months rewritten, files before and after, and old contents removed for good."""

    months: int
    files_before: int
    files_after: int
    removed: int


def compact(home: Path, ledger: LedgerReader, *, at_least: int = 2, now: datetime | None = None) -> Compacted:
    """Rewrite each dataset's month that has `at_least` files as one. Rows, purchases and cost stay the same."""
    import duckdb

    moment = now or datetime.now(UTC)
    root = home / "published" / "snapshots"
    with FileLock(home / "published" / ".publish.lock"), duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        manifest = read_manifest(root)
        settle(root, manifest)
        before = len(manifest.files)
        months = _months(manifest, at_least)
        for files in months:
            manifest = _rewrite(con, root, ledger, manifest, files, moment)
        manifest, removed = _forget(root, manifest, moment)
        return Compacted(len(months), before, len(manifest.files), removed)


def _months(manifest: Manifest, at_least: int) -> list[list[File]]:
    groups: dict[str, list[File]] = {}
    for file in manifest.files:
        groups.setdefault(file.folder, []).append(file)
    return [files for _, files in sorted(groups.items()) if len(files) >= at_least]


def _rewrite(
    con: duckdb.DuckDBPyConnection,
    root: Path,
    ledger: LedgerReader,
    manifest: Manifest,
    files: list[File],
    now: datetime,
) -> Manifest:
    paths = ", ".join(f"'{root / file.content}'" for file in files)
    sha256, rows, size = store(
        con, root, f"SELECT * FROM read_parquet([{paths}], union_by_name = true) ORDER BY observed_at, seq"
    )
    purchases = sorted({purchase for file in files for purchase in file.purchases})
    merged = File(
        dataset=files[0].dataset,
        month=files[0].month,
        name=f"month-{sha256[:16]}",
        rows=rows,
        bytes=size,
        sha256=sha256,
        purchases=tuple(purchases),
        cost=_cost(ledger, set(purchases)),
        written_at=now.isoformat(timespec="seconds"),
    )
    if rows != sum(file.rows for file in files):
        raise RuntimeError(f"{merged.folder}: {rows} rows after compaction, {sum(f.rows for f in files)} before")
    replaced = {file.content for file in files}
    kept = tuple(file for file in manifest.files if file.content not in replaced)
    retired = {**manifest.retired, **dict.fromkeys(sorted(replaced), now.isoformat(timespec="seconds"))}
    compacted = Manifest((*kept, merged), retired)
    staging = root / ".staging"
    shutil.rmtree(staging, ignore_errors=True)
    (staging / merged.folder).mkdir(parents=True)
    os.link(root / merged.content, staging / merged.link)
    crash_point("compact.before_manifest")
    write_manifest(root, compacted)
    crash_point("compact.after_manifest")
    _exchange(staging / merged.folder, root / merged.folder)
    crash_point("compact.after_exchange")
    link(root, merged)
    shutil.rmtree(staging)
    return compacted


def _exchange(one: Path, other: Path) -> None:
    """Swap two folders in one step where the system can (Linux); else one short step after the other."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        done = libc.renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE)
        if done == 0:
            return
    aside = one.with_name(one.name + ".old")
    os.rename(other, aside)
    os.rename(one, other)
    os.rename(aside, one)


def _forget(root: Path, manifest: Manifest, now: datetime) -> tuple[Manifest, int]:
    """Remove contents that were replaced long enough ago."""
    old = [name for name, at in manifest.retired.items() if now - datetime.fromisoformat(at) > _KEPT_FOR]
    if not old:
        return manifest, 0
    left = Manifest(manifest.files, {name: at for name, at in manifest.retired.items() if name not in old})
    write_manifest(root, left)
    for name in old:
        (root / name).unlink(missing_ok=True)
    return left, len(old)


def _cost(ledger: LedgerReader, purchases: set[str]) -> dict[str, str]:
    totals: dict[str, Decimal] = {}
    for row in ledger.cost_rows():
        if row.purchase_id in purchases:
            totals[row.asset] = totals.get(row.asset, Decimal(0)) + (in_asset(row.amount_atomic, row.decimals) or 0)
    return {asset: format(amount.normalize(), "f") for asset, amount in sorted(totals.items())}
