"""`tollbook freeze` and `unfreeze`: seen by every verb, refused by a run, lifted by name."""

from __future__ import annotations

from tests.cli.conftest import Command


def test_a_freeze_stops_a_run_before_anything_is_signed_and_every_verb_shows_it(tollbook: Command) -> None:
    said = tollbook("freeze", "tokenmetrics", "--reason", "odd prices", "--json", TOLLBOOK_PRIVATE_KEY=None)
    assert said.code == 0
    assert (said.document["frozen"]["seller"], said.document["frozen"]["reason"]) == ("tokenmetrics", "odd prices")
    run = tollbook("run", "grades", "--json", PREFECT_API_URL=None)
    assert run.code == 3
    assert "tokenmetrics is frozen since" in run.out
    plan = tollbook("plan", "grades")
    assert plan.code == 3
    assert "refused: tokenmetrics is frozen since" in plan.out
    status = tollbook("status", "--json").document
    assert (status["spent"], [one["seller"] for one in status["frozen"]]) == ({"USDC": "0"}, ["tokenmetrics"])
    assert "odd prices" in tollbook("status").out
    doctor = tollbook("doctor", "--json")
    assert doctor.code == 3
    [check] = [one for one in doctor.document["checks"] if one["check"] == "freezes"]
    assert (check["ok"], "tollbook unfreeze tokenmetrics" in check["fix"]) == (False, True)
    lifted = tollbook("unfreeze", "tokenmetrics", "--json").document
    assert (lifted["lifted"]["seller"], lifted["frozen"]) == ("tokenmetrics", [])
    assert tollbook("run", "grades", "--json", PREFECT_API_URL=None).code == 0


def test_a_freeze_of_all_holds_until_it_is_lifted_without_a_name(tollbook: Command) -> None:
    assert "every seller is frozen since" in tollbook("freeze").out
    assert "frozen since" in tollbook("freeze", "--reason", "another").out
    wrong = tollbook("unfreeze", "tokenmetrics")
    assert wrong.code == 2
    assert "every seller is frozen since" in wrong.err
    assert tollbook("unfreeze").code == 0
    assert tollbook("unfreeze").code == 2


def test_a_mistyped_seller_is_an_error_and_freezes_nothing(tollbook: Command) -> None:
    said = tollbook("freeze", "tokenmetric")
    assert said.code == 2
    assert "did you mean tokenmetrics?" in said.err
    assert tollbook("status", "--json").document["frozen"] == []
