"""A machine whose clock is wrong: runs and `doctor` say by how much, and nothing is signed by it beyond the window."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import Command

if TYPE_CHECKING:
    from sandbox.world import Buyer, World


@pytest.mark.parametrize(("offset", "says"), [("1000", "ahead of"), ("-1000", "behind")])
def test_nothing_is_signed_by_a_clock_that_is_far_off_and_the_message_says_clock(
    offset: str, says: str, tollbook: Command, world: World, buyer: Buyer
) -> None:
    said = tollbook("run", "signals", "--json", TOLLBOOK_CLOCK_OFFSET=offset)
    assert said.code == 3, said.out
    assert "this machine's clock is" in said.out
    assert says in said.out
    assert world.transfers(buyer.address) == []


def test_kept_terms_are_not_signed_either_since_the_chain_server_tells_the_time(
    tollbook: Command, world: World, buyer: Buyer
) -> None:
    assert tollbook("plan", "signals").code == 0
    world.seller.visits.clear()
    said = tollbook("run", "signals", "--json", TOLLBOOK_CLOCK_OFFSET="1000")
    assert (said.code, list(world.seller.visits)) == (3, [])
    assert "ahead of the chain server's" in said.out
    assert world.transfers(buyer.address) == []


def test_a_small_difference_is_bought_with_and_told(tollbook: Command, world: World, buyer: Buyer) -> None:
    said = tollbook("run", "signals", "--json", TOLLBOOK_CLOCK_OFFSET="60")
    assert said.code == 0, said.out
    [flow] = said.document["flows"]
    assert any("this machine's clock is" in note and "ahead of that of tokenmetrics" in note for note in flow["notes"])
    assert world.transfers(buyer.address)


def test_doctor_compares_the_clock_with_each_answers(tollbook: Command) -> None:
    clocks = [c for c in tollbook("doctor", "--json").document["checks"] if c["check"] == "clock"]
    assert len(clocks) > 1
    assert all(check["ok"] for check in clocks)
    off = [
        c
        for c in tollbook("doctor", "--json", TOLLBOOK_CLOCK_OFFSET="1000").document["checks"]
        if c["check"] == "clock" and not c["ok"]
    ]
    assert off
    assert all("ahead of" in check["detail"] and "NTP" in check["fix"] for check in off)
