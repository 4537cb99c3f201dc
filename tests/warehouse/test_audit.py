"""The checker of what is published: what it names, and that it looks while nobody publishes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from filelock import FileLock

from payer.ledger import Ledger
from tests.warehouse.publications import bring_up, month
from warehouse.audit import Fault, check_cache, check_published, check_snapshots
from warehouse.cache.store import Cache
from warehouse.publish.publish import publish
from warehouse.snapshots.manifest import Manifest, SnapshotFile, read_manifest, write_manifest

Change = Callable[[SnapshotFile], SnapshotFile]

CHANGES: dict[str, Change] = {
    "rows, 99 by the manifest": lambda file: replace(file, rows=99),
    "has rows of other purchases than the manifest says": lambda file: replace(file, purchases=(*file.purchases, "x")),
    "cost 0.02 USDC by the ledger, 0.03 USDC by the manifest": lambda file: replace(file, cost={"USDC": "0.03"}),
    "does not have the hash in the manifest": lambda file: file,
}


def test_what_the_manifest_says_is_held_against_the_files_and_the_ledger(tmp_path: Path, ledger: Ledger) -> None:
    """Each is named with its purchases, and rebuilt by a thorough publication."""
    for number in range(4):
        month(ledger, number)
    bring_up(tmp_path, ledger)
    root = tmp_path / "published" / "snapshots"
    *files, _ = read_manifest(root).files
    changed = tuple(change(file) for file, change in zip(files, CHANGES.values(), strict=True))
    write_manifest(root, replace(read_manifest(root), files=(*changed, *read_manifest(root).files[4:])))
    (root / files[-1].content).write_bytes(b"y")
    (root.parent / ".files" / "stray").write_bytes(b"x")
    found = check_published(tmp_path, ledger)
    for words, file in zip(CHANGES, files, strict=True):
        [fault, *_] = [fault for fault in found if words in fault.detail]
        assert set(file.purchases) & set(fault.purchases) or "x" in fault.purchases
        assert fault.purchases[0] in str(fault)
    assert Fault(".files/stray is not in the manifest") in found
    publish(tmp_path, ledger, thorough=True)
    assert check_published(tmp_path, ledger) == []


def test_a_purchase_that_the_ledger_lacks_is_named_and_no_publication_drops_it(tmp_path: Path, ledger: Ledger) -> None:
    month(ledger, 0)
    bring_up(tmp_path, ledger)
    [row] = ledger.cost_rows()

    class Restored:
        def cost_rows(self) -> list[object]:
            return []

    [fault] = check_published(tmp_path, Restored())  # type: ignore[arg-type]
    assert (fault.purchases, fault.repairable) == ((row.purchase_id,), False)


def test_a_check_waits_until_a_publication_is_done(tmp_path: Path, ledger: Ledger) -> None:
    """Files without their manifest, as they lie in the middle of it, are no damage."""
    stray = tmp_path / "published" / "snapshots" / "dataset=tm-grade" / "month=2025-06" / "part.parquet"
    stray.parent.mkdir(parents=True, exist_ok=True)
    found: list[list[Fault]] = []
    with FileLock(tmp_path / "published" / ".publish.lock"):
        stray.write_bytes(b"x")
        checking = threading.Thread(target=lambda: found.append(check_published(tmp_path, ledger)))
        checking.start()
        checking.join(0.2)
        stray.unlink()
    checking.join(60)
    assert found == [[]]


def test_contents_are_durable_before_the_manifest_that_names_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    synced: list[int] = []
    (tmp_path / ".files").mkdir()
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(os.fstat(handle).st_ino))
    write_manifest(tmp_path / "snapshots", Manifest())
    places = (tmp_path / ".files", tmp_path / "snapshots.json", tmp_path)
    assert synced == [path.stat().st_ino for path in places]


def test_the_checker_names_what_is_wrong(tmp_path: Path, ledger: Ledger) -> None:
    month(ledger, 0)
    bring_up(tmp_path, ledger)
    root = tmp_path / "published" / "snapshots"
    [file] = read_manifest(root).files
    (root / file.folder / "stray.parquet").write_bytes(b"x")
    (root / file.link).unlink()
    (root / file.content).write_bytes(b"y")
    assert sorted(fault.detail for fault in check_snapshots(root)) == sorted(
        [
            f"{file.folder}/stray.parquet is not in the manifest",
            f"{file.link} is missing",
            f"{file.content} does not have the hash in the manifest",
        ]
    )


def test_a_value_that_is_not_what_was_loaded_is_named(tmp_path: Path, ledger: Ledger) -> None:
    """I8: damage that DuckDB reads as data, as zeros over equal values. A thorough publication repairs both files."""
    month(ledger, 0)
    bring_up(tmp_path, ledger)
    assert check_cache(tmp_path) == []
    with Cache(tmp_path).open() as con:
        con.execute("UPDATE grades_observations SET tm_grade = 0 WHERE token_id = 1")
        [(rows,)] = con.execute("SELECT count(*) FROM grades_observations WHERE token_id = 1").fetchall()
    differ = "rows of {} are not what their hashes say"
    [fault] = check_cache(tmp_path)
    assert fault.detail == f"the cache can't be read: {rows} {differ.format('grades_observations')}"
    public = tmp_path / "published" / "warehouse.duckdb"
    with duckdb.connect(str(public)) as con:
        con.execute("UPDATE grades_versions SET tm_grade = 0 WHERE token_id = 1")
    [fault] = check_published(tmp_path, ledger)
    assert fault.detail == f"warehouse.duckdb can't be read: {rows} {differ.format('grades_versions')}"
    assert publish(tmp_path, ledger, thorough=True).note is not None
    assert (check_published(tmp_path, ledger), check_cache(tmp_path)) == ([], [])
    with duckdb.connect(str(public), read_only=True) as con:
        assert con.execute("SELECT count(*) FROM grades WHERE tm_grade = 0").fetchall() == [(0,)]
