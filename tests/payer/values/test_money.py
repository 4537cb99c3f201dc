"""Money's one text: from atomic units to a decimal and back, exactly, and never by a float."""

from __future__ import annotations

from typing import Any

import pytest

from payer.values.money import Amount, decimal_text, exact_decimal, parse_decimal
from tests.payer.purchases import USDC


@pytest.mark.parametrize(
    ("amount_atomic", "decimals", "text"),
    [
        (17_000, 6, "0.017"),
        (0, 6, "0"),
        (1, 6, "0.000001"),
        (1_000_000, 6, "1"),
        (1_200_000, 6, "1.2"),
        (-500, 6, "-0.0005"),
        (5, 0, "5"),
        (10, 0, "10"),
        (2**256 - 1, 18, "115792089237316195423570985008687907853269984665640564039457.584007913129639935"),
    ],
)
def test_an_amount_is_written_exactly_and_read_back(amount_atomic: int, decimals: int, text: str) -> None:
    assert decimal_text(amount_atomic, decimals) == text
    if 0 <= amount_atomic < 10**18:
        assert parse_decimal(text, decimals) == amount_atomic


def test_an_amount_shows_its_asset() -> None:
    assert str(Amount(17_000, USDC)) == "0.017 USDC"
    assert Amount(17_000, USDC).decimal == "0.017"


@pytest.mark.parametrize("value", [1.0, True, "1", None])
def test_an_amount_is_made_of_an_integer_only(value: Any) -> None:
    with pytest.raises(TypeError, match="integer of atomic units"):
        Amount(value, USDC)


def test_no_digit_of_a_long_amount_is_rounded_away() -> None:
    """More digits than Decimal's default precision of 28."""
    assert parse_decimal("12345678901234567890.123456789012345678", 18) == 12345678901234567890_123456789012345678


@pytest.mark.parametrize("text", ["0.10", "0.1", "00.100000", "0.1000000000"])
def test_zeros_that_say_nothing_change_nothing(text: str) -> None:
    assert parse_decimal(text, 6) == 100_000


@pytest.mark.parametrize(
    "text", ["", ".5", "1.", "-1", "+1", "1e3", "1_000", "0x1", "\u0661", " 1", "1 ", "NaN", "0.0000001"]
)
def test_what_is_no_plain_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not an amount|more than the asset's 6 decimals"):
        parse_decimal(text, 6)


@pytest.mark.parametrize("value", [0.1, 1, None])
def test_a_number_that_is_no_text_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="write money as a string"):
        parse_decimal(value, 6)


def test_a_decimal_is_exact_whatever_its_length() -> None:
    assert str(exact_decimal(1_234_567_890_123_000_000_000_000_000_007, 18)) == "1234567890123.000000000000000007"
