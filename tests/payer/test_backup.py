"""Backing the books up and putting them back, on and between both stores."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.payer import purchases as p
from tests.payer.test_ledger import bought
from tollbook.payer.errors import LedgerUnavailable
from tollbook.payer.ledger import Ledger
from tollbook.payer.ledger.backup import backup, restore


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
    with pytest.raises(LedgerUnavailable, match="has 5 events already"):
        restore(Path(done.path), ledger_url)


def test_a_backup_never_overwrites_a_file(ledger: Ledger, ledger_url: str, tmp_path: Path) -> None:
    (tmp_path / "copy.db").write_text("precious")
    with pytest.raises(LedgerUnavailable, match="is there already"):
        backup(ledger_url, tmp_path / "copy.db")
    assert (tmp_path / "copy.db").read_text() == "precious"
    assert ledger.last_seq() == 0
