"""Deliveries in the shape of Token Metrics, and a ledger's read side over a list of them."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from payer.values.ledger_reads import AvoidedRow, CostRow
from payer.values.purchase import Delivery
from payer.values.request import Request
from sources import registry
from sources.planner.held import NOTHING_HELD
from sources.planner.pieces import Piece
from sources.planner.plan import plan

T0 = datetime(2025, 6, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@dataclass
class MemoryLedger:
    """A LedgerReader over a list. `deliver` appends a body with the next seq."""

    held: list[Delivery] = field(default_factory=list)

    def deliver(self, piece: Piece, body: bytes, at: datetime, status: int = 200, seq: int | None = None) -> Delivery:
        number = seq if seq is not None else 1 + max((each.seq for each in self.held), default=0)
        delivery = Delivery(
            number,
            f"purchase-{number}",
            f"{number:064x}",
            piece.seller,
            piece.dataset,
            Request(piece.method, f"https://seller.test{piece.path}", piece.params),
            piece.edition,
            json.loads(json.dumps(piece.context())),
            status,
            "application/json",
            body,
            at,
        )
        self.held.append(delivery)
        return delivery

    def last_seq(self) -> int:
        return max((each.seq for each in self.held), default=0)

    def mark(self, seq: int) -> str | None:
        return next((each.purchase_id for each in self.held if each.seq == seq), None)

    def delivery_index(self, after: int = 0) -> list[tuple[int, str]]:
        return sorted((each.seq, each.purchase_id) for each in self.held if each.seq > after)

    def deliveries(self, after: int = 0, purchase_ids: Collection[str] | None = None) -> Iterator[Delivery]:
        for delivery in sorted(self.held, key=lambda each: each.seq):
            if delivery.seq > after and (purchase_ids is None or delivery.purchase_id in purchase_ids):
                yield delivery

    def cost_rows(self, changed_after: int = 0) -> Iterator[CostRow]:
        return iter(())

    def avoided_rows(self, after: int = 0) -> Iterator[AvoidedRow]:
        return iter(())

    def only(self, *numbers: int) -> MemoryLedger:
        """The ledger as it was when only these deliveries were committed."""
        return MemoryLedger([each for each in self.held if each.seq in numbers])


def pieces(
    name: str, keys: Sequence[str], first: datetime, last: datetime, at: datetime, max_rows: int | None = None
) -> tuple[Piece, ...]:
    """The requests of a plan when nothing is held, with the further pages of its listings."""
    dataset = registry.dataset(name)
    start, end = (int(when.timestamp()) // dataset.grain for when in (first, last))
    made = plan(dataset, keys, start, end, NOTHING_HELD, at, at, max_rows)
    return made.pieces + made.later


def body(*rows: dict[str, Any], success: bool = True, **more: Any) -> bytes:
    return json.dumps({"success": success, "message": "ok", "data": list(rows), **more}).encode()


def grade(token: int, day: datetime, value: float = 50.0, **more: Any) -> dict[str, Any]:
    """A row of tm-grade-history."""
    return {
        "TOKEN_ID": token,
        "TOKEN_NAME": f"Token {token}",
        "TOKEN_SYMBOL": f"T{token}",
        "DATE": f"{day:%Y-%m-%d}",
        "TM_GRADE": value,
        "TM_GRADE_24h_PCT_CHANGE": 0.5,
        "TM_TRADER_GRADE_24H_CHANGE": 0.25,
        "TM_GRADE_SIGNAL": "Buy",
        "MOMENTUM": "Positive",
        **more,
    }


def grades(tokens: Sequence[int], first: datetime, days: int, value: float = 50.0) -> bytes:
    return body(*(grade(token, first + DAY * n, value) for token in tokens for n in range(days)))


__all__ = ["DAY", "T0", "MemoryLedger", "body", "grade", "grades", "pieces", "replace"]
