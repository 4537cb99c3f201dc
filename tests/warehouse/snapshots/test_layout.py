"""Files that an older tollbook published move out of snapshots/ with the next publication, whole after a kill."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from payer.ledger import Ledger
from tests.warehouse.publications import bring_up, crash, month, parquet_rows
from warehouse.audit import check_snapshots
from warehouse.publish.publish import compact
from warehouse.snapshots.manifest import read_manifest
from warehouse.snapshots.verify import is_nullable


def as_before(home: Path) -> Path:
    """Lay the published snapshots out as an older tollbook did; one content of it was replaced already."""
    published = home / "published"
    root = published / "snapshots"
    document = json.loads((published / "snapshots.json").read_text())
    (root / ".files").mkdir()
    for path in (published / ".files").glob("*"):
        os.rename(path, root / ".files" / f"{path.name}.parquet")
    (root / ".files" / "0abc.parquet").write_bytes(b"replaced")
    document["retired"] = {".files/0abc.parquet": "2099-01-01T00:00:00+00:00"}
    (root / "_manifest.json").write_text(json.dumps({**document, "version": 1}))
    (published / "snapshots.json").unlink()
    (published / ".files").rmdir()
    return root


def below(root: Path) -> set[str]:
    return {path.suffix for path in root.rglob("*") if path.is_file()}


def test_only_data_is_left_below_snapshots_and_no_file_is_rewritten(tmp_path: Path, ledger: Ledger) -> None:
    for number in range(3):
        month(ledger, number)
        bring_up(tmp_path, ledger)
    names = {file.name for file in read_manifest(tmp_path / "published" / "snapshots").files}
    rows, root = parquet_rows(tmp_path), as_before(tmp_path)
    assert check_snapshots(root) == []
    bring_up(tmp_path, ledger)
    assert (parquet_rows(tmp_path), check_snapshots(root), below(root)) == (rows, [], {".parquet"})
    manifest = read_manifest(root)
    assert {file.name for file in manifest.files} == names
    assert manifest.retired == {"../.files/0abc": "2099-01-01T00:00:00+00:00"}
    assert (root / "../.files/0abc").read_bytes() == b"replaced"


@pytest.mark.parametrize("point", ["migrate.linked", "migrate.manifest"])
def test_a_kill_while_moving_loses_nothing(tmp_path: Path, ledger: Ledger, point: str) -> None:
    month(ledger, 0)
    bring_up(tmp_path, ledger)
    rows, root = parquet_rows(tmp_path), as_before(tmp_path)
    crash(tmp_path, point)
    assert parquet_rows(tmp_path) == rows
    bring_up(tmp_path, ledger)
    assert (parquet_rows(tmp_path), check_snapshots(root), below(root)) == (rows, [], {".parquet"})


def test_a_damaged_manifest_is_rebuilt_and_compaction_moves_as_well(tmp_path: Path, ledger: Ledger) -> None:
    for number in range(2):
        month(ledger, number)
        bring_up(tmp_path, ledger)
    rows, root = parquet_rows(tmp_path), as_before(tmp_path)
    (root / "_manifest.json").write_text("{")
    compact(tmp_path, ledger)
    assert (parquet_rows(tmp_path), check_snapshots(root), below(root)) == (rows, [], {".parquet"})


def test_files_that_forbid_null_are_written_again_once_their_rows_are_compared(tmp_path: Path, ledger: Ledger) -> None:
    """DuckDB's own COPY, which wrote them before, declares a column without nulls as required (from 2.0 on)."""
    month(ledger, 0)
    bring_up(tmp_path, ledger)
    root = tmp_path / "published" / "snapshots"
    [file] = read_manifest(root).files
    path, required = root / file.content, tmp_path / "required.parquet"
    table = pq.ParquetFile(path).read()
    fields = [field.with_nullable(table[field.name].null_count > 0) for field in table.schema]
    pq.write_table(table.cast(pa.schema(fields)), required)
    assert sum(not field.nullable for field in fields) > 1
    assert (is_nullable(path), is_nullable(required)) == (True, False)
