"""The wallet's balance against the coming day's bills: pure grades, and the bills from a forecast."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from payer.values.errors import Refused
from tasks.health.outside import ExpectedBill, grade_balance
from tests.payer import purchases as p

AT = datetime(2026, 11, 29, 6, 15, tzinfo=UTC)


def bill(amount: int, hour: int = 6, flow: str = "grades") -> ExpectedBill:
    return ExpectedBill(AT.replace(hour=hour), flow, p.USDC, amount)


DAY = [bill(0, 1), bill(51_000, 6), bill(17_000, 12, "signals"), bill(34_000, 18, "moonshots")]
"""The next run that costs anything needs 0.051, the day 0.102."""


@pytest.mark.parametrize(
    ("held", "code", "warned", "says"),
    [
        (0, Refused.exit_code, True, "the next run (grades at 2026-11-29 06:15 UTC) is to cost 0.051 USDC"),
        (50_999, Refused.exit_code, True, "the next run"),
        (51_000, 0, True, "the coming day is to cost 0.102 USDC"),
        (101_999, 0, True, "the coming day"),
        (102_000, 0, False, "enough for 1 days"),
        (10_200_000, 0, False, "enough for 100 days"),
    ],
)
def test_a_balance_below_the_next_bill_fails_and_below_a_days_bills_warns(
    held: int, code: int, warned: bool, says: str
) -> None:
    graded = grade_balance(p.USDC, held, DAY)
    assert (graded.exit_code, bool(graded.fix)) == (code, warned)
    assert says in graded.detail


def test_where_nothing_is_scheduled_any_balance_will_do() -> None:
    graded = grade_balance(p.USDC, 0, [bill(0)])
    assert (graded.exit_code, graded.fix) == (0, "")
    assert "no schedule is to buy anything" in graded.detail
