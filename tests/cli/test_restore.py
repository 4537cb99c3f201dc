"""A ledger that is lost and put back from a backup: nothing is paid twice, nothing that was bought is lost."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.conftest import Command
from tests.payer.onchain import wait_until_final
from warehouse.cache.integrity import fingerprints
from warehouse.cache.store import Cache
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
    assert {**restored, "path": ""} == {**backed_up, "path": "", "kept": lost}
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
    """The chain has the lost purchases' transfers, and the published costs say whose they are. The books of the ledger
    agree without them. A rebuild is refused."""
    wait_until_final(world)
    found = tollbook("reconcile", "--list-foreign", "--json")
    assert found.code == 0, found.out
    [foreign] = [one["foreign"] for one in found.document["assets"] if one["asset"] == "USDC"]
    assert (foreign["transfers"], foreign["signed"]) == (lost, lost)
    assert all(one["purchase_id"] for one in foreign["listed"])
    told = tollbook("reconcile").out
    assert f" in {lost} transfers is not this ledger's: {lost} by authorizations" in told
    assert f"the rows of {lost} are in the tables; --list-foreign lists them" in told
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
    books = tollbook("reconcile", "--json", **elsewhere)
    assert (books.code, books.document["clean"], len(books.document["losses"])) == (5, True, lost)
    assert tollbook("rebuild", "--check", **elsewhere).code == 0
    assert len(world.transfers(buyer.address)) == paid


def test_a_lost_ledger_beside_its_cache_buys_nothing(tollbook: Command, world: World, buyer: Buyer) -> None:
    """I1: what the cache holds is held, whoever's ledger it came from."""
    paid, shown = _bought(tollbook, world, buyer)
    _lose_the_ledger(buyer.home)
    _buys_nothing(tollbook, world, buyer, paid, shown)


def test_a_lost_ledger_and_cache_are_made_again_from_the_published_files_and_nothing_is_paid(
    tollbook: Command, world: World, buyer: Buyer
) -> None:
    """Rows, coverage and prices; then the cache is whole, and `--forget-lost` still drops what no ledger has."""
    paid, shown = _bought(tollbook, world, buyer)
    priced = query(buyer.home, "SELECT purchase_id, amount FROM costs ORDER BY ALL")
    coverage = _coverage(buyer.home)
    _lose_the_ledger(buyer.home)
    (buyer.home / "state" / "cache.duckdb").unlink()
    recovered = tollbook("recover", "--json")
    assert recovered.code == 0, recovered.out
    [note] = recovered.document["notes"]
    assert note.startswith(f"{paid} deliveries that the ledger lacks were taken over from the published file")
    assert _coverage(buyer.home) == coverage
    _buys_nothing(tollbook, world, buyer, paid, shown)
    assert query(buyer.home, "SELECT purchase_id, amount FROM costs ORDER BY ALL") == priced
    refused = tollbook("rebuild")
    assert (refused.code, f"has {paid} deliveries that the ledger lacks" in refused.err) == (2, True)
    assert tollbook("rebuild", "--forget-lost", "--json").document["forgotten"] == paid
    assert query(buyer.home, "SELECT count(*) FROM grades")[1] == [(0,)]


def test_published_files_without_their_coverage_hold_the_cells_that_have_rows(
    tollbook: Command, world: World, buyer: Buyer
) -> None:
    """Those of an older tollbook, or copied without what lies beside them."""
    assert tollbook("run", "grades", "signals", "--json").code == 0
    paid = len(world.transfers(buyer.address))
    _lose_the_ledger(buyer.home)
    (buyer.home / "state" / "cache.duckdb").unlink()
    for path in (buyer.home / "published" / ".private").glob("shown-*"):
        path.unlink()
    again = tollbook("run", "grades", "signals", "--json")
    assert (again.code, again.document["calls_paid"], len(world.transfers(buyer.address))) == (0, 0, paid)


def test_a_restore_takes_over_what_the_published_files_have_of_the_time_since(
    tollbook: Command, world: World, buyer: Buyer, tmp_path: Path
) -> None:
    tollbook("run", "grades", "--json")
    backed_up = tollbook("backup", str(tmp_path / "copy.db"), "--json").document
    paid, shown = _bought(tollbook, world, buyer)
    _lose_the_ledger(buyer.home)
    (buyer.home / "state" / "cache.duckdb").unlink()
    restored = tollbook("restore", str(tmp_path / "copy.db"), "--json")
    assert restored.document["kept"] == paid - backed_up["purchases"] > 0
    _buys_nothing(tollbook, world, buyer, paid, shown)


def _bought(tollbook: Command, world: World, buyer: Buyer) -> tuple[int, dict[str, Any]]:
    """Buy three flows; the transfers, and the rows that are shown."""
    assert tollbook("run", *_FLOWS, "--json").code == 0
    return len(world.transfers(buyer.address)), {name: _all(buyer.home, name) for name in _FLOWS}


def _buys_nothing(tollbook: Command, world: World, buyer: Buyer, paid: int, shown: dict[str, Any]) -> None:
    again = tollbook("run", *_FLOWS, "--json")
    assert again.code == 0, again.out
    assert (again.document["calls_paid"], len(world.transfers(buyer.address))) == (0, paid)
    assert {name: _all(buyer.home, name) for name in _FLOWS} == shown


def _all(home: Path, table: str) -> Any:
    return query(home, f"SELECT * FROM {table} ORDER BY ALL")


def _coverage(home: Path) -> dict[str, str]:
    with Cache(home).open() as con:
        return {name: text for name, text in fingerprints(con).items() if name.startswith("coverage")}


_TABLES = ("grades", "signals")
_FLOWS = ("grades", "signals", "moonshots")
