"""The highest price that may be accepted: a table of histories, and the climb of version 0.1 played again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from payer.policy.price_drift import highest_allowed, with_price
from payer.values.terms import AcceptedPrice

NOW = datetime(2026, 11, 29, tzinfo=UTC)
QUARTER = 250_000


def days_ago(days: float, amount: int) -> AcceptedPrice:
    return AcceptedPrice(NOW - timedelta(days=days), amount)


TABLE: dict[str, tuple[list[AcceptedPrice], int, int, int]] = {
    "never-bought": ([], 20_000, QUARTER, 25_000),
    "bought-at-its-base": ([days_ago(1, 20_000)], 20_000, QUARTER, 25_000),
    "no-drift": ([days_ago(1, 20_000)], 20_000, 0, 20_000),
    "never-rounded-up": ([], 3, QUARTER, 3),
    "risen-as-far-as-it-may": ([days_ago(1, 25_000)], 20_000, QUARTER, 25_000),
    "risen-under-an-older-policy": ([days_ago(1, 95_000)], 20_000, QUARTER, 25_000),
    "one-promotional-price": ([days_ago(2, 20_000), days_ago(1, 5_000)], 20_000, QUARTER, 25_000),
    "promotional-for-a-month": ([days_ago(31, 20_000), days_ago(1, 5_000)], 20_000, QUARTER, 20_000),
    "thirty-days-count": ([days_ago(30, 20_000), days_ago(1, 5_000)], 20_000, QUARTER, 25_000),
    "a-microsecond-more-does-not": (
        [AcceptedPrice(NOW - timedelta(days=30, microseconds=1), 20_000), days_ago(1, 5_000)], 20_000, QUARTER, 20_000,
    ),
    "a-little-cheaper-for-a-month": ([days_ago(1, 18_000)], 20_000, QUARTER, 22_500),
    "not-bought-for-months": ([days_ago(200, 5_000)], 20_000, QUARTER, 25_000),
    "an-operator-lowered-the-base": ([days_ago(1, 40_000)], 10_000, QUARTER, 12_500),
    "eighteen-decimals": ([], 10**30 + 1, QUARTER, (10**30 + 1) * 5 // 4),
}  # fmt: skip


@pytest.mark.parametrize(("history", "base", "drift", "highest"), TABLE.values(), ids=TABLE)
def test_the_highest_price_that_may_be_accepted(
    history: list[AcceptedPrice], base: int, drift: int, highest: int
) -> None:
    assert highest_allowed(history, base, drift, NOW) == highest


@pytest.mark.parametrize("days", [0, 1, 29, 31, 400])
def test_a_seller_that_asks_for_the_most_each_time_never_gets_more_than_the_base_and_its_drift(days: int) -> None:
    history: tuple[AcceptedPrice, ...] = ()
    for turn in range(20):
        now = NOW + timedelta(days=days * turn)
        price = highest_allowed(history, 20_000, QUARTER, now)
        assert 20_000 <= price <= 25_000
        history = with_price(history, price, now)


def test_a_history_keeps_only_what_can_still_be_the_dearest_of_thirty_days() -> None:
    history: tuple[AcceptedPrice, ...] = ()
    for turn in range(1000):
        history = with_price(history, 20_000 - turn % 7, NOW + timedelta(hours=turn))
    assert len(history) <= 7
    assert max(price.amount for price in history) == 20_000
    assert with_price(history, 30_000, NOW + timedelta(days=60))[:-1] == ()
