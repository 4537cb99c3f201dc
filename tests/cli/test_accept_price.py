"""`tollbook accept-price`: shows the base and what is asked now, and moves the base only when an operator says so."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.cli.conftest import Command
from tests.cli.test_bad_input import policy_with

if TYPE_CHECKING:
    from sandbox.world import Buyer, World


def test_a_price_that_rose_too_far_is_bought_once_an_operator_accepted_it(
    tollbook: Command, world: World, buyer: Buyer, tmp_path: Path
) -> None:
    asked_each_time = "[payment]\nquote_max_age = 0\n\n[assets.USDC]"
    tollbook.env["TOLLBOOK_POLICY"] = policy_with(buyer, tmp_path, "[assets.USDC]", asked_each_time)
    assert tollbook("run", "tm-grade", "--tokens", "3375", "--json", PREFECT_API_URL=None).code == 0
    same = tollbook("accept-price", "tm-grade", "--json")
    assert (same.code, same.document) == (0, {"accepted": []})
    world.faults.add("swap_price", times=None, factor=2)
    refused = tollbook("plan", "tm-grade", "--tokens", "3306")
    assert refused.code == 3
    assert "price_drift over the base price, 0.017 USDC" in refused.out + refused.err
    unasked = tollbook("accept-price", "tm-grade")
    assert unasked.code == 2
    assert "0.017 USDC" in unasked.out
    assert tollbook("plan", "tm-grade", "--tokens", "3306").code == 3
    accepted = tollbook("accept-price", "tokenmetrics", "--yes", "--json", TOLLBOOK_PRIVATE_KEY=None)
    [move] = accepted.document["accepted"]
    assert (move["dataset"], move["old"], move["new"]) == ("tm-grade", "0.017", "0.034")
    plan = tollbook("plan", "tm-grade", "--tokens", "3306", "--json")
    assert (plan.code, plan.document["amount"]) == (0, "0.034")
    assert len(world.transfers(buyer.address)) == 1


def test_an_unknown_name_is_an_error(tollbook: Command) -> None:
    said = tollbook("accept-price", "tm-grad", "--yes")
    assert said.code == 2
    assert "no seller of the policy file and no dataset" in said.err


def test_a_sellers_own_caps_stand_in_bills_and_in_status(tollbook: Command, buyer: Buyer, tmp_path: Path) -> None:
    capped = '[sellers.tokenmetrics]\nper_day = "0.034"'
    tollbook.env["TOLLBOOK_POLICY"] = policy_with(buyer, tmp_path, "[sellers.tokenmetrics]", capped)
    assert tollbook("run", "tm-grade", "--tokens", "3375", "--json", PREFECT_API_URL=None).code == 0
    caps = {cap["cap"]: cap for cap in tollbook("status", "--json").document["caps"]}
    found = caps["sellers.tokenmetrics.per_day"]
    assert (found["committed"], found["limit"]) == ("0.017", "0.034")
    plan = tollbook("plan", "grades", "--json").document
    [limits] = plan["limits"]
    [line] = [cap for cap in limits["caps"] if cap["cap"] == "sellers.tokenmetrics.per_day"]
    assert (line["committed"], line["after"], line["refuses"]) == ("0.017", "0.034", False)
    assert limits["postponed"]["calls"] > 0
