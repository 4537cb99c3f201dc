"""A ledger that is lost and put back from a backup: nothing is paid twice, nothing that was bought is lost."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.conftest import Command
from tests.payer.onchain import wait_until_final
from warehouse.query import query

if TYPE_CHECKING:
    from sandbox.world import Buyer, World


def _rows(home: Path, table: str) -> list[tuple[Any, ...]]:
    return query(home, f"SELECT * EXCLUDE (observed_at, purchase_id, seq) FROM {table} ORDER BY ALL")[1]


def _lose_the_ledger(home: Path) -> None:
    for path in (home / "state").glob("ledger.db*"):
        path.unlink()


def test_a_ledger_restored_from_a_backup_pays_nothing_twice_and_loses_no_row(
    own_world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """I1, I5, I8: run, back up, run, lose the ledger, restore, run, and run again the next day."""
    buyer = own_world.buyer("restorer")
    tollbook = Command(buyer.env, monkeypatch, capsys)
    assert tollbook("run", "grades", "--json").code == 0
    backed_up = tollbook("backup", str(tmp_path / "copy.db"), "--json").document
    assert tollbook("run", "signals", "--json").code == 0
    paid, shown = len(own_world.transfers(buyer.address)), {name: _rows(buyer.home, name) for name in _TABLES}
    priced = query(buyer.home, "SELECT purchase_id, amount FROM costs ORDER BY ALL")
    lost = paid - backed_up["purchases"]

    _lose_the_ledger(buyer.home)
    restored = tollbook("restore", str(tmp_path / "copy.db"), "--json").document
    assert {**restored, "path": ""} == {**backed_up, "path": ""}
    done = tollbook("run", "grades", "signals", "--json").document
    assert (done["calls_paid"], done["undelivered"], len(own_world.transfers(buyer.address))) == (0, 0, paid)
    assert shown == {name: _rows(buyer.home, name) for name in _TABLES}
    assert priced == query(buyer.home, "SELECT purchase_id, amount FROM costs ORDER BY ALL")
    _is_named_by_reconcile(tollbook, own_world, lost)
    _can_be_forgotten(tollbook, own_world, buyer, tmp_path / "other", lost)

    own_world.clock.advance(timedelta(days=1))
    tollbook = Command(own_world.buyer("restorer").env, monkeypatch, capsys)
    next_day = tollbook("run", "grades", "signals", "--json")
    assert (next_day.code, next_day.document["calls_paid"] > 0) == (0, True)
    assert len(own_world.transfers(buyer.address)) == paid + next_day.document["calls_paid"]
    for name, rows in shown.items():
        assert {row[:4] for row in rows} <= {row[:4] for row in _rows(buyer.home, f"{name}_observations")}
    spent = query(buyer.home, "SELECT sum(amount_atomic)::BIGINT FROM costs")[1]
    assert spent == [(sum(transfer["value"] for transfer in own_world.transfers(buyer.address)),)]


def _is_named_by_reconcile(tollbook: Command, world: World, lost: int) -> None:
    """The chain has the lost purchases' transfers, and the published costs say whose they are. A rebuild is refused."""
    wait_until_final(world)
    found = tollbook("reconcile", "--json")
    strangers = [one for one in found.document["differences"] if one["kind"] == "not_in_ledger"]
    assert (found.code, len(strangers), all(one["purchase_id"] for one in strangers)) == (4, lost, True)
    refused = tollbook("rebuild")
    assert (refused.code, f"has {lost} deliveries that the ledger lacks" in refused.err) == (2, True)


def _can_be_forgotten(tollbook: Command, world: World, buyer: Buyer, home: Path, lost: int) -> None:
    """In a copy of the home: the next run finds the payments and claims in vain, and the books agree."""
    shutil.copytree(buyer.home, home)
    paid, elsewhere = len(world.transfers(buyer.address)), {"TOLLBOOK_HOME": str(home)}
    assert tollbook("rebuild", "--forget-lost", "--json", **elsewhere).document["forgotten"] == lost
    claimed = tollbook("run", "signals", "--json", **elsewhere)
    assert (claimed.code, claimed.document["calls_paid"], claimed.document["undelivered"]) == (5, 0, lost)
    wait_until_final(world)
    assert (tollbook("reconcile", **elsewhere).code, tollbook("rebuild", "--check", **elsewhere).code) == (0, 0)
    assert len(world.transfers(buyer.address)) == paid


_TABLES = ("grades", "signals")
