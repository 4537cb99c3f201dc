"""Build one page on money and data: costs, and each table's rows, freshness and gaps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from payer.values.errors import LedgerUnavailable, Misconfigured
from tasks.operator.paging_bill import paging_bills
from tasks.ops.costs import view
from tasks.ops.publish import up_to_date
from tasks.ops.status import read_status
from tasks.workspace.workspace import Workspace
from warehouse.cache.sql import quoted
from warehouse.cache.tables import declared_tables
from warehouse.publish.views.catalog import time_column

TOP = 5
LISTED_GAPS = (
    "SELECT dataset, min(first_slot) AS first, count(DISTINCT key) AS keys, sum(slots)::BIGINT AS slots "
    "FROM quality_gaps WHERE can_be_bought GROUP BY dataset ORDER BY dataset"
)
"""Gaps by dataset, of which those of listings are bought by paging."""
LOSSES = "SELECT asset, sum(loss) AS loss FROM costs WHERE loss > 0 GROUP BY asset ORDER BY asset"
"""Money for nothing by asset: undelivered or failed, accepted or not."""
LOOKS = {
    "late": "SELECT dataset, key, newest_slot, expected_at FROM quality_keys WHERE late",
    "gaps": "SELECT dataset, key, first_slot, last_slot, slots, can_be_bought FROM quality_gaps",
    "quarantined": "SELECT dataset, reason, rows, last_seen, example FROM quality_quarantined",
    "conflicting": "SELECT dataset, rows_conflicting FROM quality_duplicates WHERE rows_conflicting > 0",
    "drift": 'SELECT dataset, "column", change, first_seen FROM quality_drift',
}
"""Queries for what may be wrong with the data, by their names on the page."""
_WORST = {
    "late": "expected_at NULLS FIRST, dataset, key",
    "gaps": "slots DESC, dataset, key",
    "quarantined": "rows DESC, dataset, reason",
    "conflicting": "rows_conflicting DESC, dataset",
    "drift": 'first_seen DESC, dataset, "column"',
}


async def page(ws: Workspace) -> dict[str, Any]:
    """The document of `report`, from the published file, updated first; `stale` says why it could not be."""
    stale = await up_to_date(ws)
    return await ws.in_thread(_contents, ws, stale)


def _contents(ws: Workspace, stale: str | None) -> dict[str, Any]:
    return {
        "at": ws.clock.now().isoformat(),
        "home": str(ws.home),
        "stale": stale,
        "losses": view(ws.home, LOSSES),
        "costs": view(ws.home, "SELECT * FROM cost_by_flow"),
        "cost_per_new_row": view(ws.home, "SELECT * FROM cost_per_new_row"),
        "tables": _tables(ws.home),
        "quality": _quality(ws.home),
        "by_paging": _by_paging(ws),
        "quarantined": view(ws.home, "SELECT count(*) AS rows FROM quarantined")[0]["rows"],
        **_unfinished(ws),
    }


def _by_paging(ws: Workspace) -> list[dict[str, Any]]:
    """Gaps that are bought by paging, with the bill; none where the ledger, which has the prices, can't be opened."""
    try:
        return [bill.document() for bill in paging_bills(ws, view(ws.home, LISTED_GAPS))]
    except (LedgerUnavailable, Misconfigured):
        return []


def _unfinished(ws: Workspace) -> dict[str, Any]:
    """Count open, undelivered and failed purchases: in the ledger, or as last published where it can't be opened."""
    try:
        status = read_status(ws)
        return {"open": len(status.open), "undelivered": len(status.undelivered), "failed": len(status.failed)}
    except LedgerUnavailable:
        lost = "count(*) FILTER (undelivered) AS undelivered, count(*) FILTER (failure IS NOT NULL) AS failed"
        rest = "count(*) FILTER (NOT undelivered AND (money <> 'spent' OR data = 'absent')) AS open"
        return view(ws.home, f"SELECT {rest}, {lost} FROM open_purchases")[0]


def _tables(home: Path) -> list[dict[str, Any]]:
    """List every table that has rows, in one query: opening the file costs more than counting."""
    selects = [
        f"SELECT '{table.name}' AS \"table\", count(*) AS rows, max({quoted(time_column(table))})::VARCHAR AS newest, "
        f"max(observed_at) AS observed_at FROM {quoted(table.name)}"
        for table in declared_tables().values()
    ]
    return view(home, f"FROM ({' UNION ALL '.join(selects)}) WHERE rows > 0")


def _quality(home: Path) -> dict[str, Any]:
    """A line per dataset; then the count and the worst few of everything that may be wrong."""
    found: dict[str, Any] = {"datasets": view(home, "SELECT * FROM quality_summary")}
    for name, select in LOOKS.items():
        [row] = view(home, f"SELECT count(*) AS count FROM ({select})")
        found[name] = {"count": row["count"], "worst": view(home, f"{select} ORDER BY {_WORST[name]} LIMIT {TOP}")}
    return found
