"""published/snapshots: immutable Parquet, one set of files per publication that brought rows, and a manifest.

snapshots/.files/<sha256>.parquet      the content, never changed; old ones are kept a while for readers of a manifest
snapshots/dataset=…/month=…/*.parquet  hard links to it, for readers that list folders (hive partitions)
snapshots/_manifest.json               every file with rows, hash, purchases and cost; replaced at once. Readers of
                                       folders pass over names that begin so; any other they would take for Parquet

The manifest is what counts: a file it does not name was left by a killed run and is removed by the next. A month whose
rows are no longer those of the cache, or whose files are damaged, is made anew as one file; the old ones retire.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from payer.values.crashpoints import crash_point
from payer.values.durable import fsync_path
from payer.values.ledger_reads import CostRow, LedgerReader
from warehouse.cache import schema
from warehouse.publish import catalog as catalogue
from warehouse.publish import replay as following
from warehouse.publish.catalog import quoted
from warehouse.publish.costs import in_asset
from warehouse.snapshots.layout import link, settle
from warehouse.snapshots.manifest import (
    DAMAGED,
    MANIFEST,
    File,
    Manifest,
    ManifestDamaged,
    Month,
    read_manifest,
    write_manifest,
)
from warehouse.snapshots.months import month_sql, of_month_sql, table_of
from warehouse.snapshots.verify import damaged, stale

if TYPE_CHECKING:
    import duckdb

_ROW_GROUP = 122_880


@dataclass(frozen=True, slots=True)
class Written:
    """The files of one publication. `note` says what was made anew because it was damaged."""

    files: tuple[File, ...]
    note: str | None = None


def write(con: duckdb.DuckDBPyConnection, root: Path, ledger: LedgerReader, *, thorough: bool = False) -> Written:
    """Files for every delivery the manifest does not have, by dataset and month of the rows. Nothing new: no files.

    Months that differ from the cache where it was made anew or went back, and months of which a file is missing, are
    made anew. `thorough` reads every content to find those that are damaged, and compares every month.
    """
    (root / ".files").mkdir(parents=True, exist_ok=True)
    manifest, note = _manifest(root)
    if note is None:
        settle(root, manifest)
    _name_news(con, manifest)
    broken = damaged(root, manifest, thorough=thorough)
    anew = broken | stale(con, root, manifest, broken, every=thorough)
    costs = _costs(con, ledger, everything=thorough or bool(anew))
    fresh = [file for own in _touched(con) for file in _write_news(con, root, own, costs, anew)]
    remade = [file for month in sorted(anew) for file in _write_month(con, root, month, costs)]
    seen = following.seen(con)
    if thorough or fresh or anew or note or (manifest.build, manifest.rewinds) != (seen.build, seen.rewinds):
        crash_point("snapshot.before_manifest")
        after = _after(manifest, anew, (*fresh, *remade), seen)
        if thorough:
            after = replace(after, files=tuple(_priced(file, costs) for file in after.files))
        if note:
            os.replace(root / MANIFEST, root / DAMAGED)
        write_manifest(root, after)
        crash_point("snapshot.after_manifest")
        _show(root, after, fresh, everything=bool(anew or note))
    if broken:
        note = f"{len(broken)} months of Parquet were damaged: made anew"
    return Written((*fresh, *remade), note)


def _manifest(root: Path) -> tuple[Manifest, str | None]:
    """The manifest, or an empty one and what becomes of one that can't be read."""
    try:
        return read_manifest(root), None
    except ManifestDamaged:
        note = f"the manifest could not be read: made anew with its files, kept as {DAMAGED}"
        return Manifest(), note


def _after(manifest: Manifest, anew: set[Month], files: tuple[File, ...], seen: following.Seen) -> Manifest:
    """Files of months made anew retire, unless the new content is the old one."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    kept = tuple(file for file in manifest.files if file.of not in anew)
    contents = {file.content for file in (*kept, *files)}
    gone = sorted({file.content for file in manifest.files if file.of in anew} - contents)
    retired = {name: at for name, at in manifest.retired.items() if name not in contents}
    return Manifest((*kept, *files), {**retired, **dict.fromkeys(gone, now)}, seen.build, seen.rewinds)


def _priced(file: File, costs: dict[str, CostRow]) -> File:
    """With what its purchases came to by now: what was settled may be less than what was signed."""
    if not all(purchase in costs for purchase in file.purchases):
        return file
    return replace(file, cost=cost(costs[purchase] for purchase in file.purchases))


def _show(root: Path, manifest: Manifest, fresh: Iterable[File], *, everything: bool) -> None:
    if everything:
        settle(root, manifest)
    for file in fresh:
        link(root, file)


def store(con: duckdb.DuckDBPyConnection, root: Path, query: str) -> tuple[str, int, int]:
    """Write a query's rows as a content file: its sha256, rows and bytes. Durable under its final name once the
    manifest is written."""
    fresh = root / ".files" / "writing.tmp"
    [(rows,)] = con.execute(
        f"COPY ({query}) TO {schema.literal(fresh)} (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 3, "
        f"ROW_GROUP_SIZE {_ROW_GROUP})"
    ).fetchall()
    crash_point("snapshot.written")
    data = fresh.read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    fsync_path(fresh)
    os.replace(fresh, root / ".files" / f"{sha256}.parquet")
    return sha256, int(rows), len(data)


def _name_news(con: duckdb.DuckDBPyConnection, manifest: Manifest) -> None:
    import pyarrow as pa

    con.register("named", pa.table({"purchase_id": pa.array(sorted(manifest.purchases()), pa.string())}))
    con.execute("CREATE OR REPLACE TEMP TABLE snapshotted AS FROM named")
    con.unregister("named")
    news = "SELECT purchase_id FROM loads ANTI JOIN snapshotted USING (purchase_id) WHERE rows_new + rows_changed > 0"
    con.execute(f"CREATE OR REPLACE TEMP TABLE unsnapshotted AS {news}")


def _touched(con: duckdb.DuckDBPyConnection) -> list[schema.Table]:
    brought = "SELECT DISTINCT dataset FROM loads SEMI JOIN unsnapshotted USING (purchase_id)"
    names = {name for (name,) in con.execute(brought).fetchall()}
    return [own for own in catalogue.tables() if names.intersection(own.datasets)]


def _costs(con: duckdb.DuckDBPyConnection, ledger: LedgerReader, *, everything: bool) -> dict[str, CostRow]:
    [(oldest,)] = con.execute("SELECT min(seq) FROM loads WHERE purchase_id IN (FROM unsnapshotted)").fetchall()
    if oldest is None and not everything:
        return {}
    return {row.purchase_id: row for row in ledger.cost_rows(0 if everything else max(0, oldest - 1))}


def _write_news(
    con: duckdb.DuckDBPyConnection, root: Path, own: schema.Table, costs: dict[str, CostRow], anew: set[Month]
) -> Iterator[File]:
    """The new deliveries' rows, but for months that are made anew as a whole."""
    new = f"FROM {quoted(own.observations)} WHERE purchase_id IN (FROM unsnapshotted)"
    months = con.execute(f"SELECT DISTINCT dataset, {month_sql(own)} {new} ORDER BY ALL").fetchall()
    for month in months:
        if month not in anew:
            yield from _write(con, root, own, month, f"{new} AND {of_month_sql(own, month)}", "part", costs)


def _write_month(con: duckdb.DuckDBPyConnection, root: Path, month: Month, costs: dict[str, CostRow]) -> Iterator[File]:
    """All rows that the cache has of the month, as one file; none where it has none any more."""
    own = table_of(month[0])
    rows = f"FROM {quoted(own.observations)} WHERE {of_month_sql(own, month)}"
    yield from _write(con, root, own, month, rows, "month", costs)


def _write(
    con: duckdb.DuckDBPyConnection,
    root: Path,
    own: schema.Table,
    month: Month,
    chosen: str,
    name: str,
    costs: dict[str, CostRow],
) -> Iterator[File]:
    [(purchases,)] = con.execute(f"SELECT list_sort(list_distinct(list(purchase_id))) {chosen}").fetchall()
    if not purchases:
        return
    order = ", ".join(quoted(column) for column in (*own.natural_key, "observed_at"))
    sha256, rows, size = store(con, root, f"SELECT * EXCLUDE (dataset) {chosen} ORDER BY {order}")
    yield File(
        dataset=month[0],
        month=month[1],
        name=f"{name}-{sha256[:16]}",
        rows=rows,
        bytes=size,
        sha256=sha256,
        purchases=tuple(purchases),
        cost=cost(costs[purchase] for purchase in purchases if purchase in costs),
        written_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def cost(rows: Iterable[CostRow]) -> dict[str, str]:
    """What purchases came to, by asset."""
    totals: dict[str, Any] = {}
    for row in rows:
        amount = in_asset(row.amount_atomic, row.decimals)
        totals[row.asset] = totals.get(row.asset, 0) + amount
    return {asset: format(amount.normalize(), "f") for asset, amount in sorted(totals.items())}
