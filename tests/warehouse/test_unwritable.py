"""`published/`, or a folder in it, on a disk that is mounted read-only or without permission to write: publications and
compactions say so and change nothing, and the next ones repair themselves (I7, I8)."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from itertools import product
from pathlib import Path

from payer.ledger import Ledger
from tests import disks
from tests.warehouse.killed_verbs import Worker
from tests.warehouse.purchases import buy_day
from warehouse.audit import check_snapshots
from warehouse.cache.store import Cache
from warehouse.load.self_repair import load
from warehouse.publish.publish import compact, publish
from warehouse.query import query

SENTENCES = (
    r"error: (.*/)?published/.*(the disk is read-only|this user may not write there)\S*\n"
    r"  Money: whatever was sent is in the ledger; .*\n"
    r"  Run it again\? Yes, once the disk works: .*\n"
    r"  What to do: check free space and permissions .*\n"
)
FOLDERS = ("published", "published/snapshots")
REFUSED = (
    *product(("read_only", "forbid"), FOLDERS, ("publish", "compact")),
    *product(("read_only", "forbid"), ("published/.private",), ("publish",)),
)
"""Compaction writes no analysts' file. The last have written their Parquet before they find that they can't go on."""


def files(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file except the stamps kept beside public files, which are written again when they are missing."""
    found = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("shown-")]
    return {str(path.relative_to(folder)): (path.stat().st_ino, path.read_bytes()) for path in found}


def shown(home: Path) -> list[tuple[int, int]]:
    """Read as an analyst does: rows, and purchases that have a price."""
    return query(home, "SELECT (SELECT count(*) FROM grades_observations), (SELECT count(*) FROM costs)")[1]


def assert_ledger_is_whole(home: Path, purchases: int) -> None:
    with closing(sqlite3.connect(home / "state" / "ledger.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("SELECT count(*) FROM purchases").fetchall() == [(purchases,)]


def bring_up(home: Path, ledger: Ledger) -> None:
    load(Cache(home), ledger)
    publish(home, ledger)


def test_publications_and_compactions_that_can_not_write_change_nothing_and_the_next_ones_repair(
    tmp_path: Path, ledger: Ledger
) -> None:
    """All the while there is something new to publish, and there are files to compact."""
    for number in range(2):
        buy_day(ledger, number)
        bring_up(tmp_path, ledger)
    buy_day(ledger, 2)
    load(Cache(tmp_path), ledger)
    before, seen = files(tmp_path / "published"), shown(tmp_path)
    with Worker(tmp_path) as worker:
        for spoil, folder, verb in REFUSED:
            assert files(tmp_path / "published") == before
            code = worker.run(f"{verb} {spoil}:{folder}")
            disks.allow(tmp_path / folder)
            said = (tmp_path / "said").read_text()
            assert (code, bool(re.fullmatch(SENTENCES, said))) == (6, True), (spoil, folder, verb, said)
            assert (shown(tmp_path), check_snapshots(tmp_path / "published" / "snapshots")) == (seen, [])
            assert_ledger_is_whole(tmp_path, 3)
            before = before if folder in FOLDERS else files(tmp_path / "published")
    bring_up(tmp_path, ledger)
    assert shown(tmp_path) == [(6, 3)]
    assert compact(tmp_path, ledger).files_after == 1
    assert check_snapshots(tmp_path / "published" / "snapshots") == []
