"""Operator approval of a backfill's bill in Prefect: bound to one plan, one amount and one deadline."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from payer.values.errors import Refused
from tests.tasks.buy.test_bill import bill, item

NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
HOUR = timedelta(hours=1)
BILL = bill(item(1), item(2))


def judged(approve: bool = True, plan: str | None = None, at_most: str = "0.034", now: datetime = NOW) -> int:
    from tasks.prefect.approval import ApprovalInput, judge_approval

    answer = ApprovalInput(approve=approve, plan=BILL.fingerprint if plan is None else plan, at_most=at_most)
    return judge_approval(BILL, answer, now=now, expires=NOW + HOUR)


@pytest.mark.parametrize(("at_most", "amount_atomic"), [("0.034", 34_000), ("1", 1_000_000)])
def test_a_yes_allows_what_it_names(at_most: str, amount_atomic: int) -> None:
    assert judged(at_most=at_most) == amount_atomic


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ({"approve": False}, "not approved"),
        ({"plan": "0123456789abcdef"}, "the approval is for plan"),
        ({"at_most": "0.033"}, "the bill is 0.034"),
        ({"at_most": "all"}, "at_most"),
        ({"now": NOW + 2 * HOUR}, "too late"),
    ],
    ids=["no", "another plan", "too little", "no amount", "expired"],
)
def test_anything_else_buys_nothing(word: dict[str, object], says: str) -> None:
    with pytest.raises(Refused, match=says):
        judged(**word)  # type: ignore[arg-type]


def test_the_form_names_its_fields_in_words_and_has_the_plan_and_the_amount_filled_in() -> None:
    from tasks.prefect.approval import approval_form

    schema = approval_form(BILL, NOW + HOUR).model_json_schema()
    shown = {field["title"]: field["default"] for field in schema["properties"].values()}
    assert shown == {"Buy it": False, "Code of the plan": BILL.fingerprint, "Spend at most": "0.034"}
    assert all(field["description"] for field in schema["properties"].values())
    assert schema["required"] == [*schema["properties"]], "Prefect calls the others optional"
