"""published/snapshots: immutable Parquet, one set of files per publication that brought rows, and a manifest.

snapshots/.files/<sha256>.parquet      the content, never changed; old ones are kept a while for readers of a manifest
snapshots/dataset=…/month=…/*.parquet  hard links to it, for readers that list folders (hive partitions)
snapshots/_manifest.json               every file with rows, hash, purchases and cost; replaced at once. Readers of
                                       folders pass over names that begin so; any other they would take for Parquet

The manifest is what counts: a file it does not name was left by a killed run and is removed by the next.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tollbook.crashpoints import crash_point
from tollbook.payer.ledger_reads import CostRow, LedgerReader
from tollbook.warehouse import catalogue, schema
from tollbook.warehouse.catalogue import quoted
from tollbook.warehouse.costs import in_asset

if TYPE_CHECKING:
    import duckdb

MANIFEST = "_manifest.json"
_ROW_GROUP = 122_880


@dataclass(frozen=True, slots=True)
class File:
    """One immutable file. `cost` is what its purchases came to, by asset; a purchase may have rows in several files."""

    dataset: str
    month: str
    name: str
    rows: int
    bytes: int
    sha256: str
    purchases: tuple[str, ...]
    cost: dict[str, str]
    written_at: str

    @property
    def folder(self) -> str:
        return f"dataset={self.dataset}/month={self.month}"

    @property
    def link(self) -> str:
        """Where a reader of folders finds it, relative to snapshots/."""
        return f"{self.folder}/{self.name}.parquet"

    @property
    def content(self) -> str:
        """Where its bytes are, relative to snapshots/."""
        return f".files/{self.sha256}.parquet"


@dataclass(frozen=True, slots=True)
class Manifest:
    """All files that count, and the contents kept only for readers of an older manifest."""

    files: tuple[File, ...] = ()
    retired: dict[str, str] = field(default_factory=dict)

    def purchases(self) -> set[str]:
        return {purchase for file in self.files for purchase in file.purchases}


def read_manifest(root: Path) -> Manifest:
    """The manifest as it stands; empty where there is none."""
    try:
        document = json.loads((root / MANIFEST).read_text("utf-8"))
    except FileNotFoundError:
        return Manifest()
    files = tuple(File(**{**entry, "purchases": tuple(entry["purchases"])}) for entry in document["files"])
    return Manifest(files, document["retired"])


def write_manifest(root: Path, manifest: Manifest) -> None:
    """Replace it at once; a reader sees the old one or the new one."""
    document = {"version": 1, "files": [asdict(file) for file in manifest.files], "retired": manifest.retired}
    fresh = root / f"{MANIFEST}.tmp"
    with fresh.open("w", encoding="utf-8") as out:
        json.dump(document, out, indent=1)
        out.flush()
        os.fsync(out.fileno())
    os.replace(fresh, root / MANIFEST)
    sync_folder(root)


def write(con: duckdb.DuckDBPyConnection, root: Path, ledger: LedgerReader) -> list[File]:
    """Files for every delivery the manifest does not have, by dataset and month of the rows. Nothing new: no files."""
    (root / ".files").mkdir(parents=True, exist_ok=True)
    manifest = read_manifest(root)
    settle(root, manifest)
    _name_news(con, manifest)
    costs = _costs(con, ledger)
    brought = "SELECT DISTINCT dataset FROM loads SEMI JOIN unsnapshotted USING (purchase_id)"
    names = {name for (name,) in con.execute(brought).fetchall()}
    touched = [own for own in catalogue.tables() if names.intersection(own.datasets)]
    fresh = [file for own in touched for file in _write_table(con, root, own, costs)]
    if fresh:
        crash_point("snapshot.before_manifest")
        write_manifest(root, Manifest((*manifest.files, *fresh), manifest.retired))
        crash_point("snapshot.after_manifest")
    return fresh


def settle(root: Path, manifest: Manifest) -> None:
    """Make the folders say what the manifest says: links that are missing are made, others removed."""
    known = {file.link for file in manifest.files}
    kept = {file.content for file in manifest.files} | set(manifest.retired)
    for path in root.glob("dataset=*/month=*/*"):
        if str(path.relative_to(root)) not in known:
            path.unlink()
    for path in (root / ".files").glob("*"):
        if str(path.relative_to(root)) not in kept:
            path.unlink()
    for file in manifest.files:
        if not (root / file.link).exists():
            link(root, file)


def link(root: Path, file: File) -> None:
    """Show a file's content under its folder."""
    (root / file.folder).mkdir(parents=True, exist_ok=True)
    target = root / file.link
    if not target.exists():
        os.link(root / file.content, target)


def store(con: duckdb.DuckDBPyConnection, root: Path, query: str) -> tuple[str, int, int]:
    """Write a query's rows as a content file: its sha256, rows and bytes. Durable under its final name on return."""
    fresh = root / ".files" / "writing.tmp"
    [(rows,)] = con.execute(
        f"COPY ({query}) TO '{fresh}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 3, "
        f"ROW_GROUP_SIZE {_ROW_GROUP})"
    ).fetchall()
    crash_point("snapshot.written")
    data = fresh.read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    descriptor = os.open(fresh, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
    os.replace(fresh, root / ".files" / f"{sha256}.parquet")
    return sha256, int(rows), len(data)


def sync_folder(path: Path) -> None:
    """Make a folder's names durable."""
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def _name_news(con: duckdb.DuckDBPyConnection, manifest: Manifest) -> None:
    import pyarrow as pa

    con.register("snapshotted", pa.table({"purchase_id": pa.array(sorted(manifest.purchases()), pa.string())}))
    news = "SELECT purchase_id FROM loads ANTI JOIN snapshotted USING (purchase_id) WHERE rows_new + rows_changed > 0"
    con.execute(f"CREATE OR REPLACE TEMP TABLE unsnapshotted AS {news}")
    con.unregister("snapshotted")


def _costs(con: duckdb.DuckDBPyConnection, ledger: LedgerReader) -> dict[str, CostRow]:
    [(oldest,)] = con.execute("SELECT min(seq) FROM loads WHERE purchase_id IN (FROM unsnapshotted)").fetchall()
    if oldest is None:
        return {}
    return {row.purchase_id: row for row in ledger.cost_rows(max(0, oldest - 1))}


def _write_table(
    con: duckdb.DuckDBPyConnection, root: Path, own: schema.Table, costs: dict[str, CostRow]
) -> Iterable[File]:
    observations = quoted(f"{own.name}_observations")
    new = f"FROM {observations} WHERE purchase_id IN (FROM unsnapshotted)"
    month = f"strftime({quoted(catalogue.time_column(own))}, '%Y-%m')"
    groups = con.execute(
        f"SELECT dataset, {month}, list_sort(list_distinct(list(purchase_id))) {new} GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    for dataset, when, purchases in groups:
        chosen = f"{new} AND dataset = '{dataset}' AND {month} = '{when}'"
        order = ", ".join(quoted(name) for name in (*own.natural_key, "observed_at"))
        sha256, rows, size = store(con, root, f"SELECT * EXCLUDE (dataset) {chosen} ORDER BY {order}")
        file = File(
            dataset=dataset,
            month=when,
            name=f"part-{sha256[:16]}",
            rows=rows,
            bytes=size,
            sha256=sha256,
            purchases=tuple(purchases),
            cost=_cost(costs[purchase] for purchase in purchases if purchase in costs),
            written_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        link(root, file)
        yield file


def _cost(rows: Iterable[CostRow]) -> dict[str, str]:
    totals: dict[str, Any] = {}
    for row in rows:
        amount = in_asset(row.amount_atomic, row.decimals)
        totals[row.asset] = totals.get(row.asset, 0) + amount
    return {asset: format(amount.normalize(), "f") for asset, amount in sorted(totals.items())}


def check(root: Path) -> list[str]:
    """What is wrong with the snapshots, in sentences: missing, damaged or unknown files. Empty: all is well."""
    manifest = read_manifest(root)
    known = {file.link for file in manifest.files}
    wrong = [f"{path.relative_to(root)} is not in the manifest" for path in root.glob("dataset=*/month=*/*")
             if str(path.relative_to(root)) not in known]  # fmt: skip
    for file in manifest.files:
        for name in (file.content, file.link):
            path = root / name
            if not path.exists():
                wrong.append(f"{name} is missing")
            elif hashlib.sha256(path.read_bytes()).hexdigest() != file.sha256:
                wrong.append(f"{name} does not have the hash in the manifest")
    return wrong
