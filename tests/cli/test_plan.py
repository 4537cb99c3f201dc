"""`tollbook plan`: what would be bought and the exact bill."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.cli.conftest import Command
from tests.docs.page import PROJECT

if TYPE_CHECKING:
    from tollbook.sandbox.world import Buyer, World


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
    # One snapshot call a day, two calls to heal the four weeks before the first, then yesterday's tail.
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
