"""`tollbook reconcile`, `recover` and `rebuild`: the ledger against chain and bodies."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from tests.cli.conftest import Command
from tests.payer.onchain import wait_until_final
from warehouse.query import query

if TYPE_CHECKING:
    from sandbox.world import Buyer, World


def test_after_a_run_ledger_and_chain_agree_to_the_unit(tollbook: Command, world: World) -> None:
    """I5, over the blocks that are final."""
    tollbook("run", "grades", "--json")
    wait_until_final(world)
    said = tollbook("reconcile", "--json")
    assert said.code == 0, said.out
    assert said.document["clean"] is True
    assert said.document["ledger_atomic"] == said.document["chain_atomic"]
    assert said.document["differences"] == []


def test_a_cap_that_was_changed_behind_the_ledgers_back_is_named_and_nothing_is_bought(
    tollbook: Command, world: World, buyer: Buyer
) -> None:
    """I3: the caps are what the events say, or nothing is signed."""
    tollbook("run", "signals", "--json")
    paid = len(world.transfers(buyer.address))
    with closing(sqlite3.connect(buyer.home / "state" / "ledger.db", isolation_level=None)) as other_program:
        other_program.execute("UPDATE committed SET " + '"atoms" = 0' + " WHERE scope = 'month'")
    said = tollbook("reconcile", "--json")
    assert said.code == 4
    [difference] = said.document["differences"]
    assert difference["kind"] == "projection"
    assert "caps: month" in difference["detail"]
    assert (said.document["clean"], said.document["ledger_atomic"]) == (False, None)
    assert "projection: caps: month" in tollbook("reconcile").out
    ledger = {check["check"]: check for check in tollbook("doctor", "--json").document["checks"]}["ledger"]
    assert (ledger["ok"], "caps: month" in ledger["detail"], "restore" in ledger["fix"]) == (False, True, True)
    refused = tollbook("run", "grades", "--json")
    assert refused.code == 4, refused.out
    error = refused.document["error"]
    assert (error["kind"], error["money"].startswith("none was sent")) == ("LedgerDamaged", True)
    assert "caps: month" in error["what"]
    assert len(world.transfers(buyer.address)) == paid


def test_a_damaged_snapshot_is_a_difference_by_name(tollbook: Command, buyer: Buyer) -> None:
    tollbook("run", "grades", "--json")
    snapshot = next((buyer.home / "published" / "snapshots").rglob("dataset=*/**/*.parquet"))
    content = snapshot.read_bytes()
    snapshot.unlink()
    snapshot.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    said = tollbook("reconcile", "--json")
    assert said.code == 4
    assert snapshot.name in said.document["differences"][0]["detail"]


def test_recover_with_nothing_open_asks_no_chain_and_exits_0(tollbook: Command) -> None:
    said = tollbook("recover", "--json")
    assert said.code == 0
    assert (said.document["open"], said.document["undelivered"], said.document["purchases"]) == (0, 0, [])


def test_a_lost_answer_is_claimed_by_the_next_run_with_one_transfer(
    tollbook: Command, world: World, buyer: Buyer
) -> None:
    """I1: no answer after settling, then recovery; the data is there and it was paid for once."""
    tollbook("plan", "tm-grade", "--json")
    world.settings.update(resend="served")
    world.faults.add("reset_after", times=1)
    tollbook("run", "tm-grade", "--json")
    tollbook("recover", "--json")
    tollbook("run", "tm-grade", "--json")
    assert len(world.transfers(buyer.address)) == 1


def test_rebuild_makes_the_same_tables_from_the_ledger_for_nothing(
    tollbook: Command, world: World, buyer: Buyer
) -> None:
    """I8."""
    tollbook("run", "grades", "--json")
    before = query(buyer.home, "SELECT * FROM grades ORDER BY ALL")
    (buyer.home / "state" / "cache.duckdb").unlink()
    shutil.rmtree(buyer.home / "published")
    paid = len(world.transfers(buyer.address))
    said = tollbook("rebuild", "--json", TOLLBOOK_PRIVATE_KEY=None)
    assert said.code == 0
    assert said.document["amount"] == "0"
    assert query(buyer.home, "SELECT * FROM grades ORDER BY ALL") == before
    assert len(world.transfers(buyer.address)) == paid
