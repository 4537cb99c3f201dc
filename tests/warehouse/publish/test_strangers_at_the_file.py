"""Somebody writes to the published file: readers are told the truth again by the next publication."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from payer.ledger import Ledger
from tests.warehouse.publications import bring_up, count, month
from warehouse.publish.publish import publish
from warehouse.publish.versions import PUBLIC_MODE, foreign_log
from warehouse.query import query

_WRITING = """
import duckdb, os, sys
path, how = sys.argv[1:]
os.chmod(path, 0o644)  # for who is not root
con = duckdb.connect(path)
con.execute("DELETE FROM grades; DELETE FROM grades_versions; INSERT INTO loads (purchase_id) VALUES ('mine')")
if how == "closed":
    con.execute("CHECKPOINT")
    con.close()
os._exit(9)
"""


def write(home: Path, how: str) -> None:
    """Open the published file for writing, and be killed at it, or end in good order."""
    command = [sys.executable, "-c", _WRITING, str(home / "published" / "warehouse.duckdb"), how]
    assert subprocess.run(command, timeout=60, check=False).returncode == 9


def contents(home: Path) -> tuple[int, int, int]:
    [(loads,)] = query(home, "SELECT count(*) FROM loads")[1]
    return count(home), count(home, "grades_versions"), int(loads)


def test_the_published_file_is_read_only_and_its_successor_is_too(tmp_path: Path, ledger: Ledger) -> None:
    for number in range(3):
        month(ledger, number)
        path = bring_up(tmp_path, ledger).path
        assert path.stat().st_mode & 0o777 == PUBLIC_MODE
    if os.geteuid():
        with pytest.raises(duckdb.IOException, match="Permission denied"):
            duckdb.connect(str(path))


@pytest.mark.parametrize("how", ["killed", "closed"])
def test_what_a_stranger_wrote_is_gone_with_the_next_publication_and_never_comes_back(
    tmp_path: Path, ledger: Ledger, how: str
) -> None:
    """Killed, it leaves a log that DuckDB would replay onto the next version; closed, the file itself is another."""
    for number in range(2):
        month(ledger, number)
        bring_up(tmp_path, ledger)
    right = contents(tmp_path)
    assert right == (40, 40, 2)
    write(tmp_path, how)
    log = foreign_log(tmp_path / "published")
    assert log.exists() == (how == "killed")
    assert contents(tmp_path) == (0, 0, 3)
    note = publish(tmp_path, ledger).note
    if how == "killed":
        assert (contents(tmp_path), log.exists(), note) == (right, False, None)
    month(ledger, 2)
    note = bring_up(tmp_path, ledger).note
    assert (note is None) == (how == "killed")
    assert contents(tmp_path) == (60, 60, 3)
    for number in range(3, 5):
        month(ledger, number)
        bring_up(tmp_path, ledger)
        assert contents(tmp_path) == (20 * (number + 1), 20 * (number + 1), number + 1)


def test_a_version_that_was_written_to_after_it_was_replaced_is_not_updated(tmp_path: Path, ledger: Ledger) -> None:
    """By a session that had it open for writing and goes on."""
    month(ledger, 0)
    path = bring_up(tmp_path, ledger).path
    path.chmod(0o644)
    with duckdb.connect(str(path)) as con:
        month(ledger, 1)
        bring_up(tmp_path, ledger)
        con.execute("DELETE FROM grades_versions")
        con.execute("CHECKPOINT")
    for number in range(2, 5):
        month(ledger, number)
        bring_up(tmp_path, ledger)
        assert contents(tmp_path) == (20 * (number + 1), 20 * (number + 1), number + 1)
