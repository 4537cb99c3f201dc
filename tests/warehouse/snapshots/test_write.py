"""Snapshot files: immutable, with hash, rows, purchases and cost in the manifest."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from payer.ledger import Ledger
from tests.warehouse.publications import bring_up, month, parquet_rows
from warehouse.snapshots.manifest import read_manifest


def test_a_snapshot_file_carries_its_hash_and_cost(tmp_path: Path, ledger: Ledger) -> None:
    month(ledger, 0)
    bring_up(tmp_path, ledger)
    root = tmp_path / "published" / "snapshots"
    [file] = read_manifest(root).files
    assert (file.dataset, file.month, file.rows, file.cost) == ("tm-grade-history", "2025-05", 20, {"USDC": "0.02"})
    assert hashlib.sha256((root / file.link).read_bytes()).hexdigest() == file.sha256
    assert len(parquet_rows(tmp_path)) == 20


def test_a_run_adds_files_and_changes_none(tmp_path: Path, ledger: Ledger) -> None:
    root = tmp_path / "published" / "snapshots"
    month(ledger, 0)
    bring_up(tmp_path, ledger)
    before = {path: path.read_bytes() for path in root.glob("dataset=*/month=*/*")}
    month(ledger, 1)
    bring_up(tmp_path, ledger)
    after = {path: path.read_bytes() for path in root.glob("dataset=*/month=*/*")}
    assert before.items() < after.items()


def test_the_manifest_is_plain_json(tmp_path: Path, ledger: Ledger) -> None:
    month(ledger, 0)
    bring_up(tmp_path, ledger)
    document = json.loads((tmp_path / "published" / "snapshots.json").read_text())
    assert set(document) == {"version", "files", "retired", "build", "rewinds"}
