"""`tollbook run`: buy, load and publish, now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import Command
from warehouse.query import query

if TYPE_CHECKING:
    from sandbox.world import Buyer, World


def test_a_run_buys_what_the_plan_said_for_what_the_plan_said(tollbook: Command, world: World, buyer: Buyer) -> None:
    """I5: bill, document, ledger and chain agree to the unit."""
    plan = tollbook("plan", "grades", "--json").document
    before = world.balance(buyer.address)
    done = tollbook("run", "grades", "--json")
    assert done.code == 0
    assert (done.document["calls_paid"], done.document["amount"]) == (plan["calls"], plan["amount"])
    assert before - world.balance(buyer.address) == round(float(plan["amount"]) * 10**6)
    assert len(world.transfers(buyer.address)) == plan["calls"]
    assert done.document["rows_new"] > 0
    assert done.document["open"] == done.document["undelivered"] == 0
    assert done.err == ""


def test_the_same_run_again_pays_nothing_and_says_what_the_cache_saved(tollbook: Command) -> None:
    first = tollbook("run", "grades", "--json").document
    again = tollbook("run", "grades", "--json").document
    assert (again["calls_paid"], again["amount"], again["rows_new"]) == (0, "0", 0)
    assert again["calls_avoided"] >= first["calls_paid"]
    assert float(again["flows"][0]["saved"]) >= float(first["amount"])


def test_a_dry_run_is_a_plan_and_signs_nothing(tollbook: Command, world: World, buyer: Buyer) -> None:
    dry = tollbook("run", "grades", "--dry-run", "--json")
    assert dry.code == 0
    assert dry.document == tollbook("plan", "grades", "--json").document
    assert world.transfers(buyer.address) == []


def test_a_max_cost_below_the_bill_refuses_before_anything_is_signed(
    tollbook: Command, world: World, buyer: Buyer
) -> None:
    said = tollbook("run", "grades", "--max-cost", "0.02")
    assert said.code == 3
    assert "--max-cost is 0.02 USDC" in said.err
    assert "Money: none was sent." in said.err
    assert world.transfers(buyer.address) == []


@pytest.mark.parametrize("text", ["a lot", "-1", "0.0000001", "1e3"])
def test_a_max_cost_that_is_no_amount_is_a_usage_error(tollbook: Command, text: str) -> None:
    said = tollbook("run", "grades", f"--max-cost={text}")
    assert said.code == 2
    assert "--max-cost" in said.err


def test_one_flow_that_can_not_run_leaves_the_others_running(tollbook: Command, buyer: Buyer) -> None:
    said = tollbook("run", "grades", "signals", "--max-cost", "0.06", "--json")
    assert said.code == 3
    assert [flow["flow"] for flow in said.document["flows"]] == ["grades"]
    assert said.document["failed"][0]["flow"] == "signals"
    assert query(buyer.home, "SELECT count(*) FROM grades")[1] == [(145,)], "published, although the last one failed"


def test_a_misspelt_last_name_stops_the_run_before_the_first_is_bought(
    tollbook: Command, world: World, buyer: Buyer
) -> None:
    said = tollbook("run", "grades", "signls")
    assert said.code == 2
    assert "signals" in said.err
    assert world.transfers(buyer.address) == []


def test_people_are_told_what_came_and_what_it_cost(tollbook: Command) -> None:
    said = tollbook("run", "grades")
    assert said.code == 0
    assert "grades: 0.051 USDC for 3 paid calls" in said.out
    assert "published" in said.out
    assert "\x1b" not in said.out + said.err, "no colour when nobody looks at a terminal"
    assert "3 of 3 calls" in said.err


def test_a_day_that_the_snapshot_saw_is_not_bought_from_its_history(tollbook: Command) -> None:
    """Neither by a run of the history nor by a backfill."""
    [asked] = tollbook("plan", "tm-grade", "--json").document["flows"][0]["requests"]
    today, tokens = asked["edition"].removeprefix("day:"), asked["params"]["token_id"].split(",")
    tollbook("run", "tm-grade", "--json")
    history = tollbook("plan", "tm-grade-history", "--json").document["flows"][0]
    assert history["missing_cells"] == 28 * len(tokens)
    backfill = tollbook("backfill", "grades", "--from", today, "--to", today, "--dry-run", "--json")
    assert (backfill.code, backfill.document["calls"]) == (0, 0)


def test_after_an_outage_the_missed_snapshots_are_reported_and_not_bought(tollbook: Command) -> None:
    tokens = tollbook("run", "tm-grade", "--json").document["rows_new"]
    later = tollbook("plan", "tm-grade", "--json", TOLLBOOK_CLOCK_OFFSET=str(4 * 86400)).document
    [flow] = later["flows"]
    assert (flow["calls"], flow["missing_cells"]) == (1, tokens)
    assert [(gone["cells"], gone["repaired_by"]) for gone in flow["gone"]] == [(3 * tokens, "tm-grade-history")]
