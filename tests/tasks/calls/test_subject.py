"""The keys and the window of a call, from its plan and from its request."""

from __future__ import annotations

import pytest

from sources import registry
from sources.slots import slot, start_of
from tasks.calls.subject import AskedFor, of_plan, of_request, of_text
from tests.payer import purchases as p


def test_a_plan_names_keys_and_slots_by_day_or_by_hour() -> None:
    daily, hourly = (registry.dataset(name) for name in ("tm-grade-history", "hourly-trading-signals"))
    at = slot(daily, p.NOW)
    context = {"keys": ["3375", "3306"], "first": at - 1, "last": at, "page": 1, "first_page": 1}
    assert of_plan(daily.name, context) == AskedFor(("3375", "3306"), "2026-11-21", "2026-11-22")
    at = slot(hourly, p.NOW)
    context = {"keys": ["3375"], "first": at, "last": at, "page": 3, "first_page": 1}
    assert of_plan(hourly.name, context) == AskedFor(("3375",), "2026-11-22T12", "2026-11-22T12", 3)
    assert start_of(hourly, at) == p.NOW


@pytest.mark.parametrize(
    ("dataset", "request_text", "edition", "subject"),
    [
        (
            "tm-grade-history",
            "GET http://x/v2/h?endDate=2026-11-28&limit=100&page=2&startDate=2026-11-01&token_id=3377,3988",
            "final",
            AskedFor(("3377", "3988"), "2026-11-01", "2026-11-28", 2),
        ),
        ("tm-grade", "GET http://x/v2/g?page=1&token_id=1", "day:2026-11-29", AskedFor(("1",), *["2026-11-29"] * 2)),
        ("moonshot-tokens", "GET http://x/m", "hour:2026-11-29T13", AskedFor((), *["2026-11-29T13"] * 2)),
        ("no-such-dataset", "GET http://x/y?token_id=1", "final", AskedFor()),
        ("tm-grade", "rubbish", "final", AskedFor()),
    ],
)
def test_a_request_is_read_by_its_declaration(dataset: str, request_text: str, edition: str, subject: AskedFor) -> None:
    assert of_text(dataset, request_text, edition) == subject


@pytest.mark.parametrize("context", [{}, {"keys": None}, {"keys": ["1"], "first": "x", "last": 2}, {"client": "a"}])
def test_an_order_that_no_plan_made_is_read_from_its_request(context: dict[str, object]) -> None:
    params = (("token_id", "1,2"),)
    assert of_plan("tm-grade", context, params) == of_request("tm-grade", params) == AskedFor(("1", "2"))
