"""Write published/snapshots: immutable Parquet files, some per publication that brought rows, and a manifest.

snapshots/dataset=…/month=…/*.parquet  data, and nothing but data: hard links to the contents, in hive partitions
.files/<sha256>                        a content, never changed; old ones are kept a while for readers of a manifest
snapshots.json                         the manifest: every file with rows, hash, purchases and cost; replaced atomically

Every column of every file may be null, whether or not a file has a null in it: a tool that reads some files and writes
others has one schema. (DuckDB's own COPY would declare a column without nulls as required.)

The manifest is what counts: a file that it does not name was left by a killed run, and the next run removes it. A
partition whose rows are no longer those of the cache, or whose files are damaged, is rebuilt as one file; its old files
are retired.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from payer.values.crashpoints import crash_point
from payer.values.durable import fsync_path
from payer.values.ledger_reads import CostRow
from payer.values.money import exact_decimal
from warehouse.cache.generation import CacheVersion, cache_version, overtaken_tables
from warehouse.cache.sql import column_list, quoted
from warehouse.cache.tables import Table, declared_tables
from warehouse.snapshots.layout import apply_manifest, link, require_writable
from warehouse.snapshots.manifest import (
    Manifest,
    ManifestDamaged,
    Partition,
    SnapshotFile,
    contents,
    damaged_path,
    manifest_path,
    read_manifest,
    write_manifest,
)
from warehouse.snapshots.verify import damaged_partitions, month_sql, outdated_partitions, partition_sql, table_of

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

ROW_GROUP = 122_880
"""Rows in a row group; DuckDB hands them over in as many."""

Costs = Mapping[str, CostRow]
"""The ledger's cost rows by purchase id."""


@dataclass(frozen=True, slots=True)
class WrittenSnapshots:
    """The files that one publication wrote. `note` says what was damaged and rebuilt."""

    files: tuple[SnapshotFile, ...]
    note: str | None = None


def costs_needed(
    con: duckdb.DuckDBPyConnection, root: Path, *, thorough: bool = False, take_over: bool = False
) -> int | None:
    """The seq behind which `write` needs the ledger's cost rows: 0 for all of them, None for none."""
    manifest, _ = _read_or_rebuild(root)
    _name_new_deliveries(con, manifest)
    cache = cache_version(con)
    moved = bool(manifest.files) and (manifest.build, manifest.rewinds) != (cache.build, cache.rewinds)
    if moved and take_over and cache.continues(manifest.build):
        moved = bool(overtaken_tables(con, "FROM unsnapshotted", "FROM snapshotted"))
    if thorough or moved or damaged_partitions(root, manifest, thorough=False):
        return 0
    [(oldest,)] = con.execute("SELECT min(seq) FROM loads WHERE purchase_id IN (FROM unsnapshotted)").fetchall()
    return None if oldest is None else max(0, int(oldest) - 1)


def write(
    con: duckdb.DuckDBPyConnection,
    root: Path,
    cost_rows: Iterable[CostRow],
    *,
    thorough: bool = False,
    take_over: bool = False,
) -> WrittenSnapshots:
    """Write a file for each partition of the deliveries that the manifest lacks, and rebuild partitions.

    Rebuilt are those with a missing file and, after a rewind or a rebuild of the cache, those that differ from it.
    `thorough` reads every content to find damaged ones, and compares every partition. `cost_rows` are the ledger's,
    from `costs_needed` on. With `take_over`, files that another cache wrote count as those of this one.
    """
    root.mkdir(parents=True, exist_ok=True)
    contents(root).mkdir(exist_ok=True)
    require_writable(root)
    manifest, note = _read_or_rebuild(root)
    if note is None:
        apply_manifest(root, manifest)
    _name_new_deliveries(con, manifest)
    damaged = damaged_partitions(root, manifest, thorough=thorough)
    rebuilding = damaged | outdated_partitions(con, root, manifest, damaged, every=thorough, take_over=take_over)
    costs = {row.purchase_id: row for row in cost_rows}
    added = [file for table in _tables_with_news(con) for file in _write_news(con, root, table, costs, rebuilding)]
    rebuilt = [file for partition in sorted(rebuilding) for file in _write_file(con, root, partition, costs)]
    cache = cache_version(con)
    moved = (manifest.build, manifest.rewinds) != (cache.build, cache.rewinds)
    if thorough or added or rebuilding or note or moved:
        crash_point("snapshot.before_manifest")
        after = _successor(manifest, rebuilding, (*added, *rebuilt), cache)
        if thorough:
            after = replace(after, files=tuple(_with_cost(file, costs) for file in after.files))
        if note:
            os.replace(manifest_path(root), damaged_path(root))
        write_manifest(root, after)
        crash_point("snapshot.after_manifest")
        if rebuilding or note:
            apply_manifest(root, after)
        for file in added:
            link(root, file)
    if damaged:
        note = f"{len(damaged)} months of Parquet were damaged: rebuilt"
    return WrittenSnapshots((*added, *rebuilt), note)


def _read_or_rebuild(root: Path) -> tuple[Manifest, str | None]:
    """The manifest; for one that can't be read an empty one, and a note on it."""
    try:
        return read_manifest(root), None
    except ManifestDamaged:
        kept = damaged_path(root).name
        return Manifest(), f"the manifest could not be read: rebuilt with its files, the old one is kept as {kept}"


def _successor(
    manifest: Manifest, rebuilding: set[Partition], files: tuple[SnapshotFile, ...], cache: CacheVersion
) -> Manifest:
    """The manifest with new files. Files of rebuilt partitions retire, unless the new content is the old one."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    kept = tuple(file for file in manifest.files if file.partition not in rebuilding)
    contents = {file.content for file in (*kept, *files)}
    replaced = sorted({file.content for file in manifest.files if file.partition in rebuilding} - contents)
    retired = {name: at for name, at in manifest.retired.items() if name not in contents}
    return Manifest((*kept, *files), {**retired, **dict.fromkeys(replaced, now)}, cache.build, cache.rewinds)


def _with_cost(file: SnapshotFile, costs: Costs) -> SnapshotFile:
    """The file with today's cost of its purchases: what settled may be less than what was signed."""
    if not all(purchase in costs for purchase in file.purchases):
        return file
    return replace(file, cost=total_cost(costs[purchase] for purchase in file.purchases))


def store(
    con: duckdb.DuckDBPyConnection,
    root: Path,
    query: str,
    partition: Partition,
    prefix: str,
    purchases: Iterable[str],
    costs: Costs,
    now: datetime,
) -> SnapshotFile:
    """Write a query's rows as a content file, and return its entry for the manifest.

    The bytes are durable; the file's name is once the manifest is written.
    """
    contents(root).mkdir(exist_ok=True)
    draft = contents(root) / "writing.tmp"
    rows = write_parquet(con, query, draft)
    crash_point("snapshot.written")
    data = draft.read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    fsync_path(draft)
    os.replace(draft, contents(root) / sha256)
    return SnapshotFile(
        dataset=partition[0],
        month=partition[1],
        name=f"{prefix}-{sha256[:16]}",
        rows=rows,
        bytes=len(data),
        sha256=sha256,
        purchases=tuple(purchases),
        cost=total_cost(costs[purchase] for purchase in purchases if purchase in costs),
        written_at=now.isoformat(timespec="seconds"),
    )


def write_parquet(con: duckdb.DuckDBPyConnection, query: str, path: Path) -> int:
    """Write the query's rows, in its order and types, as one file that every tool reads alike: zstd, statistics, every
    column nullable. Returns how many there are. Replaces the file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    reader, rows = con.sql(query).to_arrow_reader(ROW_GROUP), 0
    schema = pa.schema([pa.field(field.name, _in_utc(field.type)) for field in reader.schema])
    with pq.ParquetWriter(path, schema, compression="zstd", compression_level=3) as writer:
        for batch in reader:
            writer.write_batch(batch.cast(schema), row_group_size=ROW_GROUP)
            rows += len(batch)
    return rows


def _in_utc(kind: pa.DataType) -> pa.DataType:
    """The type itself, or times in UTC whatever zone the session has."""
    import pyarrow as pa

    return pa.timestamp(kind.unit, "UTC") if pa.types.is_timestamp(kind) and kind.tz else kind


def _name_new_deliveries(con: duckdb.DuckDBPyConnection, manifest: Manifest) -> None:
    """Make temporary tables of purchase ids: `snapshotted` in the manifest, `unsnapshotted` with rows and not in it."""
    import pyarrow as pa

    con.register("named", pa.table({"purchase_id": pa.array(sorted(manifest.purchases()), pa.string())}))
    con.execute("CREATE OR REPLACE TEMP TABLE snapshotted AS FROM named")
    con.unregister("named")
    news = "SELECT purchase_id FROM loads ANTI JOIN snapshotted USING (purchase_id) WHERE rows_new + rows_changed > 0"
    con.execute(f"CREATE OR REPLACE TEMP TABLE unsnapshotted AS {news}")


def _tables_with_news(con: duckdb.DuckDBPyConnection) -> list[Table]:
    news = "SELECT DISTINCT dataset FROM loads SEMI JOIN unsnapshotted USING (purchase_id)"
    datasets = {name for (name,) in con.execute(news).fetchall()}
    return [table for table in declared_tables().values() if datasets.intersection(table.datasets)]


def _write_news(
    con: duckdb.DuckDBPyConnection, root: Path, table: Table, costs: Costs, rebuilding: set[Partition]
) -> Iterator[SnapshotFile]:
    """Write the new deliveries' rows, except into partitions that are rebuilt as a whole."""
    news = f"FROM {quoted(table.observations)} WHERE purchase_id IN (FROM unsnapshotted)"
    partitions = con.execute(f"SELECT DISTINCT dataset, {month_sql(table)} {news} ORDER BY ALL").fetchall()
    for partition in partitions:
        if partition not in rebuilding:
            yield from _write_file(con, root, partition, costs, only_news=True)


def _write_file(
    con: duckdb.DuckDBPyConnection, root: Path, partition: Partition, costs: Costs, *, only_news: bool = False
) -> Iterator[SnapshotFile]:
    """Write the rows that the cache has of the partition, or the new ones, as one file, if there are any."""
    table = table_of(partition[0])
    rows = f"FROM {quoted(table.observations)} WHERE {partition_sql(table, partition)}"
    rows += " AND purchase_id IN (FROM unsnapshotted)" if only_news else ""
    [(purchases,)] = con.execute(f"SELECT list_sort(list_distinct(list(purchase_id))) {rows}").fetchall()
    if not purchases:
        return
    query = f"SELECT * EXCLUDE (dataset) {rows} ORDER BY {column_list((*table.natural_key, 'observed_at'))}"
    yield store(con, root, query, partition, "part" if only_news else "month", purchases, costs, datetime.now(UTC))


def total_cost(rows: Iterable[CostRow]) -> dict[str, str]:
    """Sum purchases by asset; exact decimal text in the asset."""
    totals: dict[str, Decimal] = {}
    for row in rows:
        totals[row.asset] = totals.get(row.asset, Decimal(0)) + exact_decimal(row.amount_atomic, row.decimals)
    return {asset: format(amount.normalize(), "f") for asset, amount in sorted(totals.items())}
