"""The schema of a flow's parameters, as Prefect's form shows it and its server checks it."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from tasks.request.names import names_with_history, with_history


def schema(flow: str) -> dict[str, Any]:
    """The schema that a deployment of the flow has."""
    from prefect.flows import load_flow_from_entrypoint
    from prefect.utilities.callables import parameter_schema

    return parameter_schema(load_flow_from_entrypoint(f"flows.{flow}.{flow}")).model_dump()


def accepted(flow: str, parameters: dict[str, Any]) -> bool:
    """True if Prefect's server accepts the parameters."""
    from prefect.utilities.schema_tools.validation import validate

    return not validate(parameters, schema(flow))


@pytest.mark.parametrize("flow", ["grades", "signals", "moonshots", "backfill"])
def test_every_parameter_says_what_it_means_and_what_holds_without_it(flow: str) -> None:
    for name, field in schema(flow)["properties"].items():
        assert field["description"].endswith("."), name
        assert field["title"] == name
        for way in field.get("anyOf", ()):
            assert way["title"], f"{flow}.{name}: the form's tabs are labelled by these"
        values = [way for way in field.get("anyOf", [field]) if way["type"] != "null"]
        assert all(way.get("examples") or way["type"] == "boolean" for way in values), name


@pytest.mark.parametrize("flow", ["costs", "reconcile", "health", "compact"])
def test_what_only_reads_asks_for_nothing(flow: str) -> None:
    assert schema(flow)["properties"] == {}


def test_the_form_of_a_backfill_lists_every_dataset_that_has_a_history() -> None:
    several, one = schema("backfill")["properties"]["dataset"]["anyOf"]
    assert several["items"]["enum"] == names_with_history()
    assert {"grades", "signals", "trading-signals", "tm-grade-history", "daily-ohlcv"} <= set(several["items"]["enum"])
    assert "moonshots" not in several["items"]["enum"]
    assert one["type"] == "string"
    assert all(with_history(name) for name in names_with_history())


def test_days_are_dates_amounts_are_plain_digits_and_seconds_are_counted() -> None:
    fields = schema("backfill")["properties"]
    assert fields["first"]["format"] == "date"
    assert [way.get("format") for way in fields["last"]["anyOf"]] == [None, "date"]
    assert fields["approve_above"]["pattern"] == fields["max_cost"]["anyOf"][1]["pattern"]
    assert (fields["approval_seconds"]["type"], fields["approval_seconds"]["minimum"]) == ("integer", 1)
    assert schema("backfill")["required"] == ["dataset", "first"]
    for text in ("0.50", "3", "12.000001"):
        assert accepted("grades", {"max_cost": text})
    for text in ("a lot", "1,5", "-1", "1e3", "", ".5", 0.5):
        assert not accepted("grades", {"max_cost": text})


EARLIER = [
    ("backfill", {"dataset": "trading-signals", "first": "2026-01-01"}),
    ("backfill", {"dataset": "daily_ohlcv", "first": "2026-01-01", "last": "2026-01-31", "tokens": "3375,ETH"}),
    (
        "backfill",
        {
            "dataset": ["grades", "signals"],
            "first": "2026-01-01",
            "last": None,
            "tokens": None,
            "keys": ["a"],
            "max_cost": "0.5",
            "approve_above": "0.02",
            "approval_seconds": 60,
            "again": True,
        },
    ),
    ("grades", {}),
    ("signals", {"max_cost": None, "tokens": None}),
    ("moonshots", {"max_cost": "0.10", "tokens": "ETH"}),
]


@pytest.mark.parametrize(("flow", "parameters"), EARLIER)
def test_parameters_of_deployments_made_before_are_still_taken(flow: str, parameters: dict[str, Any]) -> None:
    from prefect.flows import load_flow_from_entrypoint

    assert accepted(flow, parameters)
    taken = load_flow_from_entrypoint(f"flows.{flow}.{flow}").validate_parameters(parameters)
    assert {name: taken[name] for name in parameters} == parameters


def test_a_name_out_of_the_list_is_refused_by_the_form() -> None:
    assert not accepted("backfill", {"dataset": ["grades", "grade"], "first": "2026-01-01"})
    assert not accepted("backfill", {"dataset": [], "first": "2026-01-01"})
    assert not accepted("backfill", {"first": "2026-01-01"})


def test_a_dataset_that_a_file_declares_is_in_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """The list is made when a deployment is made, not when the module is loaded."""
    from tasks.prefect import parameters

    monkeypatch.setattr(parameters, "names_with_history", lambda: ["ours"])
    assert schema("backfill")["properties"]["dataset"]["anyOf"][0]["items"]["enum"] == ["ours"]


def test_the_form_of_an_approval_says_what_each_answer_does() -> None:
    from tasks.prefect.approval import ApprovalInput

    fields = ApprovalInput.model_json_schema()["properties"]
    assert all(field["description"].endswith(".") for field in fields.values())
    filled = ApprovalInput.with_initial_data(description="x", plan="abc", at_most="3.40")
    shown = filled.model_json_schema()["properties"]
    assert (shown["plan"]["default"], shown["at_most"]["default"]) == ("abc", "3.40")


DAY = datetime.datetime(2026, 11, 29, 13, 45, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("flow", "name"),
    [
        ("grades", "grades 2026-11-29"),
        ("signals", "signals 2026-11-29 13:00"),
        ("moonshots", "moonshots 2026-11-29 12:00"),
        ("reconcile", "reconcile 2026-11-29"),
        ("costs", "costs 2026-11-29"),
        ("health", "health 2026-11-29 13:45"),
    ],
)
def test_a_run_is_named_by_its_flow_and_its_edition(flow: str, name: str) -> None:
    from tasks.prefect.flow_run import edition_name

    assert edition_name(flow, DAY) == name


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        (
            {"dataset": "grades", "first": "2026-10-01", "last": "2026-10-31"},
            "backfill grades 2026-10-01 to 2026-10-31",
        ),
        ({"dataset": ["a", "b", "c"], "first": "2026-10-01"}, "backfill a, b and 1 more since 2026-10-01"),
        ({"dataset": ["a"], "first": "2026-10-01", "last": None, "again": True}, "backfill a since 2026-10-01 again"),
    ],
)
def test_a_backfill_is_named_by_what_it_buys(parameters: dict[str, Any], name: str) -> None:
    from tasks.prefect.flow_run import range_name

    assert range_name(parameters) == name


def test_outside_of_a_flow_a_name_is_still_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks.prefect import flow_run

    monkeypatch.setenv("TOLLBOOK_CLOCK_OFFSET", "no number")
    assert flow_run._sandbox_offset() == datetime.timedelta()
    assert flow_run.run_name() == "run"
