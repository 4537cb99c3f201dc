"""`run`, `recover` and `reconcile` at a chain node that lies, is busy, or keeps little state."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import Command
from tests.cli.test_bad_input import policy_with
from tests.payer.onchain import wait_until_final

if TYPE_CHECKING:
    from sandbox.world import Buyer, World


@pytest.fixture
def capped(tollbook: Command, buyer: Buyer, tmp_path: Path) -> Command:
    """A day's cap with room for two of the three calls of a run."""
    text = re.sub(r"(?m)^per_day = .*$", 'per_day = "0.034"', Path(buyer.env["TOLLBOOK_POLICY"]).read_text(), count=1)
    path = tmp_path / "policy.toml"
    path.write_text(text)
    tollbook.env["TOLLBOOK_POLICY"] = str(path)
    return tollbook


def test_settlements_that_a_node_forges_cross_no_cap_end_no_run_green_and_are_named_once_it_is_honest(
    capped: Command, world: World, buyer: Buyer
) -> None:
    """I3, I12: the only server there is says "settled for one unit, final" of each nonce, before it is signed."""
    world.faults.add("rpc_forged_settlement", times=None)
    assert capped("run", "grades", "--json").code != 0
    capped("recover", "--json")
    paid = len(world.transfers(buyer.address))
    assert paid <= 2
    world.faults.clear()
    wait_until_final(world)
    said = capped("reconcile", "--json", TOLLBOOK_CLOCK_OFFSET="140")
    assert (said.code, said.document["chain_atomic"]) == (4, 17_000 * paid)
    differences = said.document["differences"]
    assert {each["kind"] for each in differences} <= {"disagrees", "not_on_chain"}
    assert sum(each["ledger_atomic"] for each in differences) == said.document["ledger_atomic"]


def test_blocks_from_the_future_are_named_with_what_to_do_and_nothing_is_spent(
    tollbook: Command, world: World, buyer: Buyer, tmp_path: Path
) -> None:
    """A local chain is not held to this unless policy says so: its tests move time."""
    tollbook.env["TOLLBOOK_POLICY"] = policy_with(buyer, tmp_path, "[network]", "[network]\nmax_head_ahead = 15")
    world.mine()
    world.faults.add("rpc_blocks_ahead", times=None)
    said = tollbook("run", "tm-grade")
    assert said.code == 6
    assert "ahead of this machine's clock" in said.out + said.err
    assert "network.rpc_url" in said.out + said.err
    assert world.transfers(buyer.address) == []


def test_a_balance_that_the_node_has_forgotten_is_said_to_be_not_checked(tollbook: Command, world: World) -> None:
    tollbook("run", "tm-grade", "--json")
    wait_until_final(world)
    world.rpc.call("evm_mine", [5])
    world.faults.add("rpc_pruned", times=None, blocks=3)
    said = tollbook("reconcile", "--json")
    [books] = said.document["assets"]
    assert (said.code, books["balance"], said.document["differences"]) == (0, "not checked", [])
    assert "not checked" in tollbook("reconcile").out
