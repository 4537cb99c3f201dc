"""Caps that were named hold as they are; the others are moved so that none contradicts them."""

from __future__ import annotations

import pytest

from payer.values.errors import Misconfigured
from tasks.setup.policy_text import fitted

SHIPPED = {"per_call": "0.10", "per_run": "1.00", "per_flow_day": "2.00", "per_day": "5.00", "per_month": "50.00"}


def test_nothing_named_leaves_the_caps_as_they_are() -> None:
    assert fitted(SHIPPED, {}) == SHIPPED


def test_a_low_cap_of_the_day_lowers_the_narrower_ones() -> None:
    found = fitted(SHIPPED, {"per_day": "0.50"})
    assert found == {**SHIPPED, "per_run": "0.50", "per_flow_day": "0.50", "per_day": "0.50"}


def test_a_high_cap_of_a_run_raises_the_wider_ones() -> None:
    found = fitted(SHIPPED, {"per_run": "60"})
    assert {found[cap] for cap in ("per_run", "per_flow_day", "per_day", "per_month")} == {"60"}


def test_named_caps_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(Misconfigured, match=r"per_run = 3 is above per_day = 2") as caught:
        fitted(SHIPPED, {"per_run": "3", "per_day": "2"})
    assert "--per-run" in caught.value.fix


@pytest.mark.parametrize("text", ["much", "", "-1", "inf", "$5"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(Misconfigured, match="no amount"):
        fitted(SHIPPED, {"per_day": text})
