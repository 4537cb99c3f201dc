"""`tollbook plan`: what would be bought and the exact bill."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import Command
from tests.cli.test_bad_input import policy_with
from tests.docs.page import PROJECT

if TYPE_CHECKING:
    from sandbox.world import Buyer, World


def test_a_plan_lists_every_request_with_its_price_and_needs_no_key(
    tollbook: Command, world: World, buyer: Buyer
) -> None:
    said = tollbook("plan", "grades", "--json", TOLLBOOK_PRIVATE_KEY=None)
    assert said.code == 0
    document = said.document
    requests = [request for flow in document["flows"] for request in flow["requests"]]
    assert len(requests) == document["calls"] == 3
    assert document["amount"] == "0.051"
    assert {request["price"] for request in requests} == {"0.017"}
    assert all(request["edition"] and request["params"] for request in requests)
    assert world.transfers(buyer.address) == []


def test_a_plan_of_several_flows_adds_them_up(tollbook: Command) -> None:
    both = tollbook("plan", "grades", "signals", "--json").document
    alone = [tollbook("plan", flow, "--json").document for flow in ("grades", "signals")]
    assert both["calls"] == sum(each["calls"] for each in alone)
    assert {flow["flow"] for flow in both["flows"]} == {"grades", "signals"}


def test_tokens_named_by_id_and_symbol_take_the_place_of_the_watch_list(tollbook: Command) -> None:
    document = tollbook("plan", "tm-grade", "--tokens", "3375,SOL", "--json").document
    [request] = document["flows"][0]["requests"]
    assert request["params"]["token_id"] == "3375,3988"


def test_the_bill_for_people_has_a_total_and_fits_the_page(tollbook: Command) -> None:
    said = tollbook("plan", "grades")
    assert "The bill" in said.out
    assert "total" in said.out
    assert max(map(len, said.out.splitlines())) <= 100


def test_a_month_is_forecast_from_the_schedules_at_known_prices(tollbook: Command) -> None:
    tollbook("plan", "grades")
    schedules = str(PROJECT / "prefect.yaml")
    document = tollbook("plan", "grades", "--month", "--schedules", schedules, "--json").document
    [grades] = document["flows"]
    assert (grades["runs"], grades["schedule"]) == (30, "15 6 * * *")
    assert grades["unknown_prices"] == []
    # One snapshot call a day, two calls to fill the four weeks before the first, then yesterday's tail.
    assert 30 <= grades["calls"] <= 65
    assert float(grades["amount"]) == round(grades["calls"] * 0.017, 3)


def test_a_flow_that_no_schedule_runs_has_no_forecast(tollbook: Command) -> None:
    said = tollbook("plan", "backfill", "--month", "--schedules", str(PROJECT / "prefect.yaml"))
    assert said.code == 2
    assert "no schedule runs backfill" in said.err


def test_a_forecast_names_what_was_never_quoted_instead_of_counting_it_as_nothing(tollbook: Command) -> None:
    """I9."""
    schedules = str(PROJECT / "prefect.yaml")
    document = tollbook("plan", "moonshots", "--month", "--schedules", schedules, "--json").document
    assert "moonshot-tokens" in document["flows"][0]["unknown_prices"]


def test_every_cap_stands_beside_the_bill_and_people_see_the_tightest(tollbook: Command) -> None:
    document = tollbook("plan", "grades", "--json").document
    [limits] = document["limits"]
    caps = {cap["cap"]: cap for cap in limits["caps"]}
    assert list(caps) == [
        f"caps.USDC.{name}" for name in ("per_call", "per_run", "per_flow_day", "per_day", "per_month")
    ]
    run = {"cap": "caps.USDC.per_run", "limit": "50", "committed": "0", "after": "0.051", "refuses": False}
    assert caps["caps.USDC.per_run"] == run
    assert (limits["refused"], limits["postponed"]) == (None, {"calls": 0, "amount": "0"})
    said = tollbook("plan", "grades").out
    assert "grades: nearest cap caps.USDC.per_run: 0.051 USDC of 50 USDC" in said


@pytest.mark.parametrize("cap", ["per_run", "per_day"])
def test_a_bill_that_a_cap_would_refuse_says_which_one_and_exits_3(
    tollbook: Command, buyer: Buyer, tmp_path: Path, cap: str
) -> None:
    held = {"per_run": "50.00", "per_day": "100.00"}[cap]
    policy = policy_with(buyer, tmp_path, f'{cap} = "{held}"', f'{cap} = "0.01"')
    said = tollbook("run", "grades", "--dry-run", "--json", TOLLBOOK_POLICY=policy)
    [limits] = said.document["limits"]
    assert said.code == 3
    assert [one["cap"] for one in limits["caps"] if one["refuses"]] == [f"caps.USDC.{cap}"]
    refusal = f"caps.USDC.{cap} is 0.01 USDC: 0 USDC are committed and 0.051 USDC more were asked"
    assert limits["refused"] == refusal
    assert f"refused: {refusal}" in tollbook("plan", "grades", TOLLBOOK_POLICY=policy).out


def test_a_bill_that_the_caps_let_through_in_part_says_what_waits(
    tollbook: Command, buyer: Buyer, tmp_path: Path
) -> None:
    policy = policy_with(buyer, tmp_path, 'per_run = "50.00"', 'per_run = "0.04"')
    said = tollbook("plan", "grades", "--json", TOLLBOOK_POLICY=policy)
    assert (said.code, said.document["calls"], said.document["amount"]) == (0, 2, "0.034")
    assert said.document["limits"][0]["postponed"] == {"calls": 1, "amount": "0.017"}
    people = tollbook("plan", "grades", TOLLBOOK_POLICY=policy).out
    assert "grades: 1 call more, 0.017 USDC, left for a later run by the caps" in people
