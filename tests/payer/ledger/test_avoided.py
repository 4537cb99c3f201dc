"""Calls that coverage saved: each counts once per time that it was due, however often a run is repeated."""

from __future__ import annotations

from typing import Any

from payer.ledger import Ledger
from tests.payer import purchases as p


def entry(request: str = "GET x", edition: str = "day:2026-11-22", dataset: str = "tm-grade") -> dict[str, Any]:
    run = p.run()
    who = {"run_id": run.run_id, "flow": run.flow, "deployment": None, "flow_run_id": None, "reason": "manual"}
    asset = {"network": "eip155:31337", "asset": "USDC", "decimals": 6, "price_atomic": 17_000, "at": p.NOW}
    return {**who, **asset, "dataset": dataset, "request": request, "edition": edition}


def test_a_rerun_avoids_nothing_that_was_due_again(ledger: Ledger) -> None:
    for _ in range(3):
        ledger.note_avoided([entry(), entry("GET y")], p.run())
    assert [row.request for row in ledger.avoided_rows()] == ["GET x", "GET y"]


def test_a_piece_that_is_due_again_is_avoided_again(ledger: Ledger) -> None:
    """The next day's edition, another request, and the same request of another dataset."""
    ledger.note_avoided([entry()], p.run())
    ledger.note_avoided([entry(edition="day:2026-11-23")], p.run())
    ledger.note_avoided([entry(), entry("GET y"), entry(dataset="tm-grade-history")], p.run())
    assert [(row.dataset, row.request, row.edition[-2:]) for row in ledger.avoided_rows()] == [
        ("tm-grade", "GET x", "22"),
        ("tm-grade", "GET x", "23"),
        ("tm-grade", "GET y", "22"),
        ("tm-grade-history", "GET x", "22"),
    ]
