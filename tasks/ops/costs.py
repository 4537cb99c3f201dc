"""Read what was spent and what the cache saved from the published cost views, updated first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TextIO

from payer.values.errors import LedgerUnavailable, Misconfigured
from tasks.buy.load import load, publish
from tasks.workspace.cache_trouble import as_payer_error
from tasks.workspace.workspace import Workspace
from warehouse.exports import accounting
from warehouse.query import query, update_errors

VIEWS = {
    "flow": "cost_by_flow",
    "day": "cost_by_day",
    "month": "cost_by_month",
    "dataset": "cost_by_dataset",
    "purchase": "costs",
}


@dataclass(frozen=True, slots=True)
class CostTable:
    """Rows of a cost view: amounts are exact text in the asset, times ISO 8601 in UTC. `stale` as `up_to_date` says."""

    rows: list[dict[str, Any]]
    stale: str | None = None


async def cost_table(ws: Workspace, by: str) -> CostTable:
    """Return a cost view of the whole ledger, or as last published where the disk can't be written."""
    stale = await up_to_date(ws)
    return CostTable(view(ws.home, f"SELECT * FROM {VIEWS[by]}"), stale)


async def up_to_date(ws: Workspace) -> str | None:
    """Load and publish, so that the published file shows the whole ledger.

    Where nothing can be written (a read-only disk, a full one), the last published file can still be read: returns why
    it is not newer, and its date. Raises the error when nothing was ever published.
    """
    not_written: tuple[type[Exception], ...] = (*update_errors(), LedgerUnavailable, Misconfigured)
    try:
        await load(ws)
        await publish(ws)
    except not_written as error:
        if not (ws.home / "published" / "warehouse.duckdb").exists():
            raise
        reason = str(as_payer_error(error) or error).strip().splitlines()[0]
        return f"not brought up to date ({reason}): this is what was published on {_published_at(ws.home)}"
    return None


def _published_at(home: Path) -> str:
    [row] = view(home, "SELECT strftime(published_at, '%Y-%m-%d %H:%M UTC') AS at FROM publication")
    return str(row["at"])


def view(home: Path, select: str) -> list[dict[str, Any]]:
    """Return the rows of a query over the published file, in types that JSON has."""
    names, rows = query(home, select)
    return [dict(zip(names, map(plain, row), strict=True)) for row in rows]


def plain(value: Any) -> Any:
    """Return decimals as text without trailing zeros, dates and times as ISO 8601, lists item by item."""
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


def export_accounting(ws: Workspace, out: TextIO, *, totals: bool = False) -> None:
    """Write CSV for bookkeeping, from the ledger alone: a line per purchase, or the months' totals."""
    (accounting.export_totals if totals else accounting.export_accounting)(ws.ledger, out)
