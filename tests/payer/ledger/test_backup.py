"""Backing up and restoring, on and between SQLite and PostgreSQL."""

from __future__ import annotations

import os
import threading
from itertools import count
from pathlib import Path

import pytest
import sqlalchemy as sa

from payer.ledger import Ledger
from payer.ledger.backup import backup, restore
from payer.values.errors import BadCopy
from payer.values.events import Intent
from tests.payer import purchases as p
from tests.payer.purchases import bought
from tests.stores import new_ledger_url


def story(ledger: Ledger) -> object:
    """All that the books say."""
    events = [ledger.events(purchase.purchase_id) for purchase in ledger.purchases()]
    return ledger.purchases(), events, list(ledger.deliveries()), ledger.committed(p.USDC)


def test_a_backup_taken_while_the_ledger_is_open_has_all_of_it(ledger: Ledger, ledger_url: str, tmp_path: Path) -> None:
    for number in range(3):
        bought(ledger, number)
    done = backup(ledger_url, tmp_path / "backups" / "ledger.db")
    assert (done.purchases, done.events, done.bodies) == (3, 15, 3)
    with Ledger.open(f"sqlite:///{done.path}") as copy:
        assert story(copy) == story(ledger)


def test_a_restored_ledger_goes_on_where_the_backup_ended(ledger: Ledger, ledger_url: str, tmp_path: Path) -> None:
    with Ledger.open(f"sqlite:///{tmp_path}/old.db") as old:
        bought(old, 1)
        backup(f"sqlite:///{tmp_path}/old.db", tmp_path / "copy.db")
        restore(tmp_path / "copy.db", ledger_url)
        assert story(ledger) == story(old)
        before = ledger.last_seq()
        bought(ledger, 2)
        assert ledger.delivery_index(after=before) == [(before + 5, ledger.purchases()[-1].purchase_id)]


def test_a_restore_never_overwrites_books(ledger: Ledger, ledger_url: str, tmp_path: Path) -> None:
    bought(ledger)
    done = backup(ledger_url, tmp_path / "copy.db")
    with pytest.raises(BadCopy, match="has 5 events already"):
        restore(Path(done.path), ledger_url)


def test_a_backup_never_overwrites_a_file(ledger: Ledger, ledger_url: str, tmp_path: Path) -> None:
    (tmp_path / "copy.db").write_text("precious")
    with pytest.raises(BadCopy, match="is there already"):
        backup(ledger_url, tmp_path / "copy.db")
    assert (tmp_path / "copy.db").read_text() == "precious"
    assert ledger.last_seq() == 0


def test_a_backup_taken_while_the_ledger_is_written_is_of_one_moment(
    ledger: Ledger, ledger_url: str, tmp_path: Path
) -> None:
    """Every purchase in it is the fold of its events, every delivered one has its body, and no event is missing."""
    enough, stop = threading.Event(), threading.Event()

    def write() -> None:
        for number in count():
            if stop.is_set():
                return
            bought(ledger, number)
            if number == 3:
                enough.set()

    writer = threading.Thread(target=write)
    writer.start()
    enough.wait(60)
    done = backup(ledger_url, tmp_path / "copy.db")
    stop.set()
    writer.join()
    with Ledger.open(f"sqlite:///{done.path}") as copy:
        held = copy.purchases()
        assert 4 <= done.purchases == len(held) < len(ledger.purchases()) + 1
        assert copy.last_seq() == done.events
        for purchase in held:
            happened = copy.events(purchase.purchase_id)
            assert isinstance(happened[0], Intent)
            assert len(happened) == purchase.version
        bodies = {purchase_id for _, purchase_id in copy.delivery_index()}
        assert bodies == {purchase.purchase_id for purchase in held if purchase.delivered_at}


def test_a_restore_leaves_the_backup_as_it_is(ledger: Ledger, ledger_url: str, tmp_path: Path) -> None:
    """It may lie where nothing can be written."""
    medium = tmp_path / "a medium"
    medium.mkdir()
    with Ledger.open(f"sqlite:///{tmp_path}/old.db") as old:
        bought(old, 1)
    backup(f"sqlite:///{tmp_path}/old.db", medium / "copy.db")
    before = (medium / "copy.db").read_bytes()
    restore(medium / "copy.db", ledger_url)
    assert (medium / "copy.db").read_bytes() == before
    assert list(medium.iterdir()) == [medium / "copy.db"]
    assert len(ledger.purchases()) == 1


def test_an_empty_file_is_no_backup(ledger: Ledger, ledger_url: str, tmp_path: Path) -> None:
    """To SQLite it is a database without tables: what is left of a copy for which there was no room."""
    (tmp_path / "copy.db").touch()
    with pytest.raises(BadCopy, match=r"copy\.db is an empty file, not a backup"):
        restore(tmp_path / "copy.db", ledger_url)
    assert ledger.last_seq() == 0


def test_a_ledger_in_which_only_a_run_began_is_named_as_in_the_way(
    ledger: Ledger, ledger_url: str, tmp_path: Path
) -> None:
    """It may have begun under a name that the backup has, too."""
    bought(ledger)
    done = backup(ledger_url, tmp_path / "copy.db")
    with Ledger.open(f"sqlite:///{tmp_path}/other.db") as other:
        other.start_run(p.run("run-0"))
    with pytest.raises(BadCopy, match="has 1 runs already, which a restore would overwrite"):
        restore(Path(done.path), f"sqlite:///{tmp_path}/other.db")


def test_a_restore_says_where_to_without_the_password(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """I10."""
    with Ledger.open(f"sqlite:///{tmp_path}/old.db") as old:
        bought(old)
    backup(f"sqlite:///{tmp_path}/old.db", tmp_path / "copy.db")
    url = sa.make_url(new_ledger_url(request, "postgresql", tmp_path)).set(password="a-word-to-keep")
    done = restore(tmp_path / "copy.db", url.render_as_string(hide_password=False))
    assert (done.purchases, "a-word-to-keep" in done.path, str(url.database) in done.path) == (1, False, True)


def test_a_file_that_is_no_backup_is_refused(ledger: Ledger, ledger_url: str, tmp_path: Path) -> None:
    (tmp_path / "copy.db").write_text("a shopping list, longer than SQLite's header of a hundred bytes" * 9)
    with pytest.raises(BadCopy, match=r"copy\.db can't be read: file is not a database"):
        restore(tmp_path / "copy.db", ledger_url)
    assert ledger.last_seq() == 0


@pytest.mark.usefixtures("ledger")
def test_a_backup_is_under_its_name_when_the_power_fails(
    ledger_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(os.fstat(handle).st_ino))
    done = backup(ledger_url, tmp_path / "copy.db")
    assert synced[-2:] == [Path(done.path).stat().st_ino, tmp_path.stat().st_ino]
