"""`run`, `recover` and `reconcile` at a chain node that lies, is busy, or keeps little state."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.conftest import Command
from tests.payer.onchain import wait_until_final

if TYPE_CHECKING:
    from sandbox.world import Buyer, World

LIES: dict[str, dict[str, Any]] = {"rpc_forged_settlement": {}, "rpc_blocks_ahead": {"seconds": 120}}


@pytest.fixture
def capped(tollbook: Command, buyer: Buyer, tmp_path: Path) -> Command:
    """A day's cap with room for two of the three calls of a run."""
    text = re.sub(r"(?m)^per_day = .*$", 'per_day = "0.034"', Path(buyer.env["TOLLBOOK_POLICY"]).read_text(), count=1)
    path = tmp_path / "policy.toml"
    path.write_text(text)
    tollbook.env["TOLLBOOK_POLICY"] = str(path)
    return tollbook


@pytest.mark.parametrize("lie", LIES)
def test_under_a_lying_node_no_command_crosses_a_cap_and_none_ends_green(
    capped: Command, world: World, buyer: Buyer, lie: str
) -> None:
    """I3, I12; honest again, the books are the chain's."""
    world.faults.add(lie, times=None, **LIES[lie])
    for verb in (("run", "grades"), ("recover",), ("run", "grades"), ("reconcile",)):
        said = capped(*verb, "--json")
        assert said.code in (0, 3, 4, 5, 6), said.out
        assert verb[0] != "run" or said.code != 0
        assert len(world.transfers(buyer.address)) <= 2
    world.faults.clear()
    capped("recover", "--json", TOLLBOOK_CLOCK_OFFSET="140")
    wait_until_final(world)
    books = capped("reconcile", "--json", TOLLBOOK_CLOCK_OFFSET="280").document
    assert books["ledger_atomic"] == books["chain_atomic"] == 17_000 * len(world.transfers(buyer.address))


def test_blocks_from_the_future_are_named_with_what_to_do_and_nothing_is_spent(
    tollbook: Command, world: World, buyer: Buyer
) -> None:
    world.faults.add("rpc_blocks_ahead", times=None)
    said = tollbook("run", "tm-grade", "--json")
    error = said.document["error"]
    assert (said.code, "ahead of this machine's clock" in error["what"]) == (6, True)
    assert world.transfers(buyer.address) == []


def test_a_balance_that_the_node_has_forgotten_is_said_to_be_not_checked(tollbook: Command, world: World) -> None:
    tollbook("run", "tm-grade", "--json")
    wait_until_final(world)
    world.faults.add("rpc_pruned", times=None, blocks=1)
    said = tollbook("reconcile", "--json")
    [books] = said.document["assets"]
    assert (said.code, books["balance"], said.document["differences"]) == (0, "not checked", [])
    assert "not checked" in tollbook("reconcile").out
