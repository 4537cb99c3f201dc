"""Amounts as decimals of their asset."""

from __future__ import annotations

from payer.values.money import exact_decimal


def test_an_amount_is_exact_whatever_its_length() -> None:
    assert str(exact_decimal(1_234_567_890_123_000_000_000_000_000_007, 18)) == "1234567890123.000000000000000007"
