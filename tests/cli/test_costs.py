"""`tollbook costs`: what was spent, on what, saved by the cache."""

from __future__ import annotations

import csv
import io
from decimal import Decimal

import pytest

from tests.cli.conftest import Command


@pytest.fixture
def spent(tollbook: Command) -> Command:
    """The command after one flow was bought, and asked for again."""
    for _ in range(2):
        assert tollbook("run", "grades", "--json").code == 0
    return tollbook


@pytest.mark.parametrize("by", ["flow", "dataset", "day", "month", "purchase"])
def test_every_view_adds_up_to_what_was_spent(spent: Command, by: str) -> None:
    rows = spent("costs", "--by", by, "--json").document
    assert sum(row["amount_atomic"] for row in rows) == 51_000


def test_the_saved_calls_stand_beside_the_paid_ones(spent: Command) -> None:
    [row] = spent("costs", "--json").document
    assert (row["flow"], row["calls_paid"], row["amount"], row["calls_avoided"], row["saved"]) == (
        "grades",
        3,
        "0.051",
        3,
        "0.051",
    )


def test_csv_json_and_table_say_the_same(spent: Command) -> None:
    [from_json] = spent("costs", "--format", "json").document
    [from_csv] = csv.DictReader(io.StringIO(spent("costs", "--format", "csv").out))
    assert from_csv["amount"] == from_json["amount"]
    assert "0.051" in spent("costs").out


def test_accounting_lists_every_purchase_with_its_transaction_and_apart_the_months_total(spent: Command) -> None:
    rows = list(csv.DictReader(io.StringIO(spent("costs", "--format", "accounting").out)))
    assert len(rows) == 3
    assert all(row["transaction"].startswith("0x") for row in rows)
    assert sum(Decimal(row["amount"]) for row in rows) == Decimal("0.051")
    [total] = csv.DictReader(io.StringIO(spent("costs", "--format", "accounting-totals").out))
    assert (total["asset"], total["purchases"], Decimal(total["amount"]), Decimal(total["pending"])) == (
        "USDC",
        "3",
        Decimal("0.051"),
        0,
    )


def test_nothing_bought_is_said_in_words(tollbook: Command) -> None:
    assert tollbook("costs").out == "nothing was bought yet\n"
    assert tollbook("costs", "--json").document == []
