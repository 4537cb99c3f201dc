"""A ledger whose file is deleted or replaced while it is open is noticed before anything more is written."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from payer.ledger import Ledger
from payer.values.errors import LedgerReplaced
from tests.payer import purchases as p


def deleted(home: Path) -> None:
    shutil.rmtree(home)


def replaced(home: Path) -> None:
    copy = home / "copy.db"
    shutil.copy(home / "ledger.db", copy)
    os.replace(copy, home / "ledger.db")


def moved(home: Path) -> None:
    home.rename(home.with_name("elsewhere"))


@pytest.mark.parametrize("act", [deleted, replaced, moved])
def test_a_ledger_that_lost_its_file_neither_writes_nor_reads(tmp_path: Path, act: object) -> None:
    home = tmp_path / "state"
    home.mkdir()
    with Ledger.open(f"sqlite:///{home}/ledger.db") as ledger:
        ledger.start_run(p.run())
        ledger.check_in_place()
        assert callable(act)
        act(home)
        for use in (ledger.check_in_place, lambda: ledger.start_run(p.run()), ledger.purchases):
            with pytest.raises(LedgerReplaced) as error:
                use()
        assert "on the chain" in error.value.money
        assert error.value.exit_code == 4


def test_a_ledger_in_memory_has_no_file_to_lose() -> None:
    with Ledger.open("sqlite://") as ledger:
        ledger.check_in_place()
