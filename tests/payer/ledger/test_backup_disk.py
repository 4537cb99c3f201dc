"""A disk that is full during a backup or a restore: the ledger stays whole, and no half copy is left."""

from __future__ import annotations

import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from payer.ledger import Ledger
from payer.ledger.backup import backup, restore
from payer.values.errors import BackupFailed, BadCopy, LedgerUnavailable
from tests import disks
from tests.crash import child
from tests.payer import purchases as p
from tests.payer.ledger.test_backup import story
from tests.payer.purchases import bought

FULL = r"can't be written.*: (the disk is full|the disk failed, or is full)"


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger of most of a megabyte, closed. Nobody writes to it."""
    path = tmp_path_factory.mktemp("books") / "ledger.db"
    with Ledger.open(f"sqlite:///{path}") as ledger:
        for number in range(40):
            bought(ledger, number, os.urandom(20_000))
    return path


def back_up_where_there_is_no_room(books: Path, disk: Path, room: int) -> None:
    """The ledger lies on that disk, too: it must be possible to go on buying."""
    url = f"sqlite:///{disk}/ledger.db"
    with disks.full(disk, room, books) as really, Ledger.open(url) as ledger:
        before = story(ledger)
        with pytest.raises(BackupFailed, match=FULL):
            backup(url, disk / "copy.db")
        assert {path.name for path in disk.iterdir()} == {"ledger.db", "ledger.db-wal", "ledger.db-shm"}
        assert story(ledger) == before
        if really:
            ledger.reserve(p.run("run-40"), [p.wanted(40)], p.CAPS, p.LEASE)
    with Ledger.open(url) as ledger:
        backup(url, disk / "copy.db")
        with Ledger.open(f"sqlite:///{disk}/copy.db") as copy:
            assert story(copy) == story(ledger)
            assert len(copy.purchases()) == 40 + really
    with closing(sqlite3.connect(disk / "ledger.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.parametrize("share", [0.08, 0.5, 1.5], ids=["at-the-tables", "at-the-rows", "at-the-end"])
def test_a_full_disk_leaves_the_ledger_whole_and_nothing_of_the_backup(
    books: Path, tmp_path: Path, share: float
) -> None:
    """A backup needs twice its size for a moment. What is left of one would keep the disk full for the ledger."""
    room = (1 << 16) + int(books.stat().st_size * share)
    assert child.finish(child.begin(back_up_where_there_is_no_room, books, tmp_path, room)) == 0


def restore_where_there_is_no_room(copy: Path, disk: Path, room: int) -> None:
    url = f"sqlite:///{disk}/ledger.db"
    with disks.full(disk, room):
        with pytest.raises(LedgerUnavailable, match=FULL) as refused:
            restore(copy, url)
        assert "disk space" in refused.value.fix, "the backup is not at fault"
        assert {path.suffix for path in disk.iterdir()} <= {".db", ".db-wal", ".db-shm"}
    restore(copy, url)
    with Ledger.open(url) as ledger, Ledger.open(f"sqlite:///{copy}") as books:
        assert story(ledger) == story(books)


@pytest.mark.parametrize("share", [0.3, 1.5], ids=["at-the-copy", "at-the-rows"])
def test_a_full_disk_leaves_an_empty_ledger_that_can_be_restored_into(
    books: Path, tmp_path: Path, share: float
) -> None:
    copy = tmp_path / "copy.db"
    backup(f"sqlite:///{books}", copy)
    (tmp_path / "disk").mkdir()
    room = (1 << 18) + int(copy.stat().st_size * share)
    assert child.finish(child.begin(restore_where_there_is_no_room, copy, tmp_path / "disk", room)) == 0


def test_a_folder_that_can_not_be_made_is_said_in_plain_words(books: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(BadCopy, match=re.escape(f"{tmp_path}/file is a file, and ")) as refused:
        backup(f"sqlite:///{books}", tmp_path / "file" / "copy.db")
    assert (refused.value.exit_code, "Errno" in refused.value.what) == (2, False)
