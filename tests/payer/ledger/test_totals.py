"""Sums over all purchases are those of the purchases themselves, whatever state each is in."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from payer.values.errors import LedgerDamaged
from payer.values.purchase import Data, Money
from tests.warehouse import purchases_in_every_state as mixed
from tests.warehouse.purchases import open_ledger


def test_totals_are_the_sums_of_the_purchases_by_state_and_asset(tmp_path: Path) -> None:
    with open_ledger(tmp_path) as ledger:
        mixed.fill(ledger)
        totals, purchases = ledger.totals(), ledger.purchases()
    for money in Money:
        for asset in {p.asset for p in purchases}:
            cost = sum(p.cost for p in purchases if (p.money, p.asset) == (money, asset))
            assert totals.by_money[money][asset] == cost
            assert totals.lost[asset] == sum(p.loss for p in purchases if p.asset == asset)
    assert totals.delivered == sum(p.data is Data.DELIVERED for p in purchases)
    assert sum(totals.lost.values()) == 7_000


def test_a_purchase_that_can_not_be_read_stops_the_sum(tmp_path: Path) -> None:
    """I9: money that nobody can read is never counted as 0."""
    with open_ledger(tmp_path) as ledger:
        mixed.fill(ledger)
        with ledger._engine.begin() as connection:
            connection.execute(sa.text("UPDATE purchases SET doc = :doc WHERE generation = 0"), {"doc": b'{"asset": 1'})
        with pytest.raises(LedgerDamaged, match="reconcile"):
            ledger.totals()
