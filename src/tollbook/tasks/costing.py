"""What was spent and what the cache saved: the published views, brought up to date first."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TextIO

from tollbook.tasks.load import load, publish
from tollbook.tasks.workspace import Workspace

VIEWS = {
    "flow": "cost_by_flow",
    "day": "cost_by_day",
    "month": "cost_by_month",
    "dataset": "cost_by_dataset",
    "purchase": "costs",
}


async def cost_table(ws: Workspace, by: str) -> list[dict[str, Any]]:
    """The rows of a cost view. Amounts are exact text in the asset, times ISO 8601 in UTC."""
    await up_to_date(ws)
    return view(ws.home, f"SELECT * FROM {VIEWS[by]}")


async def up_to_date(ws: Workspace) -> None:
    """Bring the published file up to the ledger, so that what is read from it is all there is."""
    await load(ws)
    await publish(ws)


def view(home: Path, select: str) -> list[dict[str, Any]]:
    """Rows of a query over the published file, as JSON can say them."""
    from tollbook.warehouse import query

    names, rows = query(home, select)
    return [dict(zip(names, map(plain, row), strict=True)) for row in rows]


def plain(value: Any) -> Any:
    """Decimals as text without trailing zeros, dates and times as ISO 8601, lists plain too; the rest as it is."""
    if isinstance(value, Decimal):
        text = format(value, "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value)
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value


def export_accounting(ws: Workspace, out: TextIO) -> None:
    """A CSV for bookkeeping: one line per purchase, and month totals."""
    from tollbook.warehouse.costs import export_accounting as export

    export(ws.ledger, out)
