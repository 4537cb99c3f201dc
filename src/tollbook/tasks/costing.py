"""What was spent and what the cache saved, summed from the ledger: true at any moment, also before publishing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tollbook.payer.ledger_reads import CostRow
from tollbook.payer.money import decimal_text
from tollbook.payer.types import Data, Money
from tollbook.tasks.workspace import Workspace


@dataclass(slots=True)
class _Sum:
    calls: int = 0
    spent: int = 0
    in_flight: int = 0
    undelivered: int = 0
    avoided: int = 0
    saved: int = 0
    unknown_savings: bool = False


def cost_table(ws: Workspace, by: str) -> list[dict[str, Any]]:
    """Rows as in the view asked for: by flow, day, month, dataset, or every purchase. Amounts are text in the asset."""
    if by == "purchase":
        return [_purchase(row) for row in ws.ledger.cost_rows()]
    sums: dict[tuple[str, str, int], _Sum] = {}
    for row in ws.ledger.cost_rows():
        name = _BY[by](row.flow, row.dataset, row.created_at)
        total = sums.setdefault((name, row.asset, row.decimals), _Sum())
        if row.amount_atomic or row.undelivered:
            total.calls += 1
        if row.money == Money.SPENT:
            total.spent += row.amount_atomic
        else:
            total.in_flight += row.amount_atomic
        total.undelivered += row.undelivered
    for avoided in ws.ledger.avoided_rows():
        name = _BY[by](avoided.flow, avoided.dataset, avoided.at)
        total = sums.setdefault((name, avoided.asset, avoided.decimals), _Sum())
        total.avoided += 1
        total.saved += avoided.price_atomic or 0
        total.unknown_savings |= avoided.price_atomic is None
    return [_row(by, key, total) for key, total in sorted(sums.items())]


_BY: dict[str, Callable[[str, str, datetime], str]] = {
    "flow": lambda flow, _dataset, _at: flow,
    "dataset": lambda _flow, dataset, _at: dataset,
    "day": lambda _flow, _dataset, at: f"{at:%Y-%m-%d}",
    "month": lambda _flow, _dataset, at: f"{at:%Y-%m}",
}


def _row(by: str, key: tuple[str, str, int], total: _Sum) -> dict[str, Any]:
    name, asset, decimals = key
    saved = decimal_text(total.saved, decimals)
    return {
        by: name,
        "asset": asset,
        "calls": total.calls,
        "amount": decimal_text(total.spent, decimals),
        "in_flight": decimal_text(total.in_flight, decimals),
        "undelivered": total.undelivered,
        "calls_avoided": total.avoided,
        "saved": f"{saved} or more" if total.unknown_savings else saved,
    }


def _purchase(row: CostRow) -> dict[str, Any]:
    return {
        "purchase_id": row.purchase_id,
        "created_at": row.created_at.isoformat(),
        "flow": row.flow,
        "reason": row.reason,
        "dataset": row.dataset,
        "request": row.request,
        "edition": row.edition,
        "asset": row.asset,
        "amount": decimal_text(row.amount_atomic, row.decimals),
        "amount_atomic": row.amount_atomic,
        "money": row.money,
        "data": row.data,
        "tx_hash": row.tx_hash,
        "verified_on_chain": row.verified_on_chain,
        "attempts": row.attempts,
        "latency_ms": row.latency_ms,
        "delivered": row.data == Data.DELIVERED,
    }
