"""`tollbook health` in a paid world."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.cli.conftest import Command
from tests.cli.test_bad_input import policy_with

if TYPE_CHECKING:
    from sandbox.world import Buyer


def test_a_home_that_bought_today_is_well_but_for_its_caps(tollbook: Command, buyer: Buyer, tmp_path: Path) -> None:
    assert tollbook("run", "grades", "--json").code == 0
    said = tollbook("health", "--json")
    assert said.code == 0, said.out
    assert said.document["healthy"] is True
    assert {finding["kind"] for finding in said.document["findings"]} <= {"late", "price"}
    tight = policy_with(buyer, tmp_path, 'per_day = "', 'per_day = "0.06" # "')
    warned = tollbook("health", "--json", TOLLBOOK_POLICY=tight)
    assert [f["step"] for f in warned.document["findings"] if f["subject"] == "caps.USDC.per_day"] == ["80"]
    assert "cap:caps.USDC.per_day" in warned.document["changed"]
    assert tollbook("health", "--json", TOLLBOOK_POLICY=tight).document["changed"] == []
    frozen = tollbook("freeze")
    assert frozen.code == 0
    after = tollbook("health")
    assert after.code == 3
    assert "every seller is frozen" in after.out
