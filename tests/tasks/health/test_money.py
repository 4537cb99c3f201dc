"""Findings about money, as pure functions of what the ledger and the chain say."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from msgspec import structs

from payer.ledger.refused_sellers import EVERY_SELLER, Freeze
from payer.values.terms import Quote
from tasks.buy.caps import CapLine
from tasks.health import check
from tasks.health.finding import Finding, Severity
from tests.payer import purchases as p

DOLLAR = 1_000_000


@pytest.mark.parametrize(
    ("percent", "step", "severity"),
    [
        (49, None, None),
        (50, "50", Severity.NOTICE),
        (79, "50", Severity.NOTICE),
        (80, "80", Severity.WARNING),
        (99, "80", Severity.WARNING),
        (100, "100", Severity.CRITICAL),
        (120, "100", Severity.CRITICAL),
    ],
)
def test_a_cap_is_found_at_half_four_fifths_and_all_of_it(
    percent: int, step: str | None, severity: Severity | None
) -> None:
    found = list(check.caps([CapLine("caps.USDC.per_day", p.USDC, 100 * DOLLAR, percent * DOLLAR, percent * DOLLAR)]))
    assert [(each.step, each.severity) for each in found] == ([] if step is None else [(step, severity)])


@pytest.mark.parametrize(
    ("held", "severity"),
    [
        (7 * DOLLAR, None),
        (7 * DOLLAR - 1, Severity.WARNING),
        (DOLLAR, Severity.WARNING),
        (DOLLAR - 1, Severity.CRITICAL),
    ],
)
def test_a_wallet_is_found_that_lasts_less_than_a_week(held: int, severity: Severity | None) -> None:
    found = list(check.balance(p.USDC, held, DOLLAR))
    assert [each.severity for each in found] == ([] if severity is None else [severity])
    assert all(bool(each.exit_code) is (severity is Severity.CRITICAL) for each in found)


def test_a_wallet_that_spends_nothing_lasts() -> None:
    assert list(check.balance(p.USDC, 0, 0)) == []


def test_the_rate_is_that_of_the_last_week_or_of_a_shorter_life() -> None:
    bought = p.spent_delivered()
    price, made = bought.cost, bought.created_at
    assert check.daily_rate([bought] * 14, p.USDC, made + timedelta(days=6.99)) == 14 * price * 100 // 699
    assert check.daily_rate([bought] * 14, p.USDC, made + timedelta(hours=1)) == 14 * price
    assert check.daily_rate([bought], p.USDC, made + timedelta(days=8)) == 0
    old = structs.replace(bought, created_at=made - timedelta(days=30))
    assert check.daily_rate([old, *[bought] * 7], p.USDC, made + timedelta(days=1)) == price


def test_losses_are_one_critical_finding_for_each_seller_and_kind() -> None:
    [found] = check.losses([p.undelivered(), p.undelivered()], [])
    assert (found.kind, found.subject, found.step, found.severity) == ("undelivered", "s", "2", Severity.CRITICAL)
    assert found.exit_code == 5
    assert "0.04 USDC" in found.text
    [other] = check.losses([], [p.spent_delivered()])
    assert other.kind == "failed-delivery"


def test_doubt_is_told_after_an_hour() -> None:
    sent = p.exposed()
    assert list(check.in_doubt([sent], sent.created_at + check.PATIENCE)) == []
    [found] = check.in_doubt([sent, p.undelivered()], sent.created_at + check.PATIENCE + timedelta(seconds=1))
    assert (found.kind, found.step, found.exit_code) == ("in-doubt", "1", 4)


def test_a_freeze_is_found_until_it_is_lifted() -> None:
    [found] = check.freezes([Freeze(EVERY_SELLER, p.NOW, "ann", "audit")])
    assert "every seller is frozen" in found.text
    assert found.exit_code == 3


def test_a_price_is_found_when_it_is_not_the_accepted_base() -> None:
    quote = Quote("GET https://s/item", "s", p.terms(), p.NOW, baseline=p.PRICE, base=p.PRICE)
    assert list(check.prices([quote])) == []
    [dearer] = check.prices([replace(quote, terms=p.terms(p.PRICE + 1))])
    [cheaper] = check.prices([replace(quote, terms=p.terms(p.PRICE - 1))])
    assert (dearer.severity, cheaper.severity) == (Severity.WARNING, Severity.NOTICE)
    assert dearer.sign != cheaper.sign


def test_a_key_names_the_subject_and_a_sign_the_step() -> None:
    finding = Finding("cap", "caps.USDC.per_day", Severity.WARNING, "", step="80")
    assert (finding.key, finding.sign) == ("cap:caps.USDC.per_day", "warning 80")
