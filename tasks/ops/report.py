"""Build one page on money and data: costs, and each table's rows, freshness and gaps."""

from __future__ import annotations

from typing import Any

from payer.values.errors import LedgerUnavailable, Misconfigured
from tasks.operator.prices import paging_bills
from tasks.ops.costs import view, views
from tasks.ops.publish import up_to_date
from tasks.ops.status import read_status
from tasks.workspace.workspace import Workspace
from warehouse.cache.sql import quoted
from warehouse.cache.tables import declared_tables

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
    looks = {
        f"{name} {part}": select
        for name, look in LOOKS.items()
        for part, select in (
            ("count", f"SELECT count(*) AS count FROM ({look})"),
            ("worst", f"{look} ORDER BY {_WORST[name]} LIMIT {TOP}"),
        )
    }
    selects = {
        "losses": LOSSES,
        "costs": "SELECT * FROM cost_by_flow",
        "cost_per_new_row": "SELECT * FROM cost_per_new_row",
        "tables": _tables(),
        "datasets": "SELECT * FROM quality_summary",
        "gaps": LISTED_GAPS,
        "quarantined": "SELECT count(*) AS rows FROM quarantined",
        **looks,
    }
    shown = dict(zip(selects, views(ws.home, *selects.values()), strict=True))
    return {
        "at": ws.clock.now().isoformat(),
        "home": str(ws.home),
        "stale": stale,
        **{name: shown[name] for name in ("losses", "costs", "cost_per_new_row", "tables")},
        "quality": {
            "datasets": shown["datasets"],
            **{name: {"count": shown[f"{name} count"][0]["count"], "worst": shown[f"{name} worst"]} for name in LOOKS},
        },
        "by_paging": _by_paging(ws, shown["gaps"]),
        "quarantined": shown["quarantined"][0]["rows"],
        **_unfinished(ws),
    }


def _by_paging(ws: Workspace, gaps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Gaps that are bought by paging, with the bill; none where the ledger, which has the prices, can't be opened."""
    try:
        return [bill.document() for bill in paging_bills(ws, gaps)]
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


def _tables() -> str:
    """List every table that has rows."""
    selects = [
        f"SELECT '{table.name}' AS \"table\", count(*) AS rows, max({quoted(table.time_column)})::VARCHAR AS newest, "
        f"max(observed_at) AS observed_at FROM {quoted(table.name)}"
        for table in declared_tables().values()
    ]
    return f"FROM ({' UNION ALL '.join(selects)}) WHERE rows > 0"
