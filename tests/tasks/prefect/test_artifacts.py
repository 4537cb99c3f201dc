"""The bill as a Prefect artifact: what a person approves has to be on it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from payer.values.errors import QuoteUnacceptable
from tasks.buy.bill import Bill, Line, LostData, Saved
from tasks.buy.caps import CapLine
from tests.tasks.buy.test_bill import USDC, item

CAP = CapLine("caps.USDC.per_run", USDC, 1_000_000, 0, 34_000)
BILL = Bill(
    "backfill",
    USDC,
    (
        Line("trading-signals", 58, (item(1), item(2)), saved=Saved(3, 51_000)),
        Line("tm-grade", 5, (), lost=(LostData("tm-grade", 5, "tm-grade-history", "2026-11-20"),)),
        Line("tokens", 1, (item(3, price=None),), problem=QuoteUnacceptable("payTo: somebody else")),
    ),
    notes=("tm-grade is sold only for now",),
    caps=(CAP,),
    postponed=(item(4),),
)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    from tasks.prefect import artifacts as artifacts

    kept: dict[str, Any] = {}

    async def create(**artifact: Any) -> None:
        kept.update(artifact)

    monkeypatch.setattr(artifacts, "create_table_artifact", create)
    asyncio.run(artifacts.bill_artifact(BILL))
    return kept


def test_the_bill_artifact_has_price_saving_and_gone_cells_per_dataset(shown: dict[str, Any]) -> None:
    signals, grades, tokens = shown["table"]
    assert shown["key"] == "backfill-bill"
    assert (signals["a call USDC"], signals["amount USDC"]) == ("0.017", "0.034")
    assert (signals["saved calls"], signals["saved USDC"]) == (3, "0.051")
    assert grades["gone cells"] == 5
    assert (tokens["a call USDC"], tokens["amount USDC"]) == ("unknown", "unknown")


def test_above_it_stand_refusals_what_is_left_notes_and_every_cap(shown: dict[str, Any]) -> None:
    words = shown["description"]
    assert words.startswith("backfill: 2 calls, 0.034 USDC")
    assert "Refused: payTo: somebody else" in words
    assert "Left for a later run by the caps: 1 calls, 0.017 USDC" in words
    assert "Gone: 5 cells of tm-grade (2026-11-20); tm-grade-history has them" in words
    assert "tm-grade is sold only for now" in words
    assert "| caps.USDC.per_run | 1 | 0 | 0.034 | False |" in words
