"""Compaction merges a month's files into one, unnoticed by readers and whole after a kill."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from payer.ledger import Ledger
from tests.warehouse.deliveries import DAY, T0, grades
from tests.warehouse.publications import FIRST, bring_up, crash, parquet_rows
from tests.warehouse.purchases import buy_history
from warehouse.audit import check_snapshots
from warehouse.publish.publish import compact
from warehouse.snapshots.manifest import read_manifest


def small_files(home: Path, ledger: Ledger, runs: int) -> None:
    """One dataset's month in many files: a day a run."""
    for day in range(runs):
        when = FIRST + day * DAY
        buy_history(ledger, grades([1, 2], when, 1), [1, 2], when, when, T0 + day * DAY)
        bring_up(home, ledger)


def test_compaction_leaves_one_file_a_month_with_the_same_rows_purchases_and_cost(
    tmp_path: Path, ledger: Ledger
) -> None:
    small_files(tmp_path, ledger, 5)
    root = tmp_path / "published" / "snapshots"
    before, rows = read_manifest(root), parquet_rows(tmp_path)
    done = compact(tmp_path, ledger)
    assert (done.months, done.files_before, done.files_after) == (1, 5, 1)
    [file] = read_manifest(root).files
    assert (parquet_rows(tmp_path), check_snapshots(root)) == (rows, [])
    assert (set(file.purchases), file.cost) == (before.purchases(), {"USDC": "0.1"})


def test_a_reader_of_an_older_manifest_still_finds_its_files_for_a_day(tmp_path: Path, ledger: Ledger) -> None:
    small_files(tmp_path, ledger, 3)
    root = tmp_path / "published" / "snapshots"
    older = read_manifest(root).files
    compact(tmp_path, ledger)
    assert all((root / file.content).exists() for file in older)
    bring_up(tmp_path, ledger)
    assert all((root / file.content).exists() for file in older)
    later = datetime.now(T0.tzinfo) + 2 * DAY
    assert compact(tmp_path, ledger, now=later).removed == 3
    assert not any((root / file.content).exists() for file in older)


_READER = """
import duckdb, json, pathlib, sys
root, stop, reads = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), 0
con = duckdb.connect()
while not stop.exists() or not reads:
    files = json.loads((root.parent / "snapshots.json").read_text())["files"]
    paths = [str(root.parent / ".files" / file["sha256"]) for file in files]
    [(rows, keys)] = con.execute(
        "SELECT count(*), count(DISTINCT (token_id, date)) FROM read_parquet(?, union_by_name = true)", [paths]
    ).fetchall()
    assert rows == keys == sum(file["rows"] for file in files) and rows % 2 == 0 and rows >= 4, (rows, keys)
    reads += 1
print(reads)
"""


def test_a_reader_of_the_manifest_does_not_notice_compactions(tmp_path: Path, ledger: Ledger) -> None:
    root, stop = tmp_path / "published" / "snapshots", tmp_path / "stop"
    small_files(tmp_path, ledger, 2)
    command = [sys.executable, "-c", _READER, str(root), str(stop)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as reader:
        for day in range(2, 6):
            when = FIRST + day * DAY
            buy_history(ledger, grades([1, 2], when, 1), [1, 2], when, when, T0 + day * DAY)
            bring_up(tmp_path, ledger)
            assert compact(tmp_path, ledger).files_after == 1
        stop.touch()
        out, err = reader.communicate(timeout=60)
    assert (reader.returncode, err) == (0, "")
    assert int(out) > 0


def test_compacted_rows_lie_in_the_order_of_their_key(tmp_path: Path, ledger: Ledger) -> None:
    """So that a reader of one token leaves the rest of a file unread."""
    small_files(tmp_path, ledger, 3)
    compact(tmp_path, ledger)
    [file] = read_manifest(tmp_path / "published" / "snapshots").files
    with duckdb.connect() as con:
        path = tmp_path / "published" / "snapshots" / file.content
        keys = con.execute(f"SELECT token_id, date FROM read_parquet('{path}')").fetchall()
    assert keys == sorted(keys)


@pytest.mark.parametrize(
    "point", ["snapshot.written", "compact.before_manifest", "compact.after_manifest", "compact.after_exchange"]
)
def test_a_kill_anywhere_in_compaction_loses_no_row(tmp_path: Path, ledger: Ledger, point: str) -> None:
    small_files(tmp_path, ledger, 3)
    rows = parquet_rows(tmp_path)
    crash(tmp_path, point, "compact")
    compact(tmp_path, ledger)
    assert (parquet_rows(tmp_path), check_snapshots(tmp_path / "published" / "snapshots")) == (rows, [])
