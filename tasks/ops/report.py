"""One page on money and data: costs, and how many, how new and how whole each table's rows are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from payer.values.errors import LedgerUnavailable
from tasks.ops.costs import up_to_date, view
from tasks.ops.status import standing
from tasks.workspace.workspace import Workspace

TOP = 5
LOOKS = {
    "late": "SELECT dataset, key, newest_slot, expected_at FROM quality_keys WHERE late",
    "gaps": "SELECT dataset, key, first_slot, last_slot, slots, can_be_bought FROM quality_gaps",
    "quarantined": "SELECT dataset, reason, rows, last_seen, example FROM quality_quarantined",
    "conflicting": "SELECT dataset, rows_conflicting FROM quality_duplicates WHERE rows_conflicting > 0",
    "drift": 'SELECT dataset, "column", change, first_seen FROM quality_drift',
}
"""What may be wrong with the data, by the words of the page."""
_WORST = {
    "late": "expected_at NULLS FIRST, dataset, key",
    "gaps": "slots DESC, dataset, key",
    "quarantined": "rows DESC, dataset, reason",
    "conflicting": "rows_conflicting DESC, dataset",
    "drift": 'first_seen DESC, dataset, "column"',
}


async def page(ws: Workspace) -> dict[str, Any]:
    """The document of `report`, from the published file brought up to date; `stale` says why where it could not be."""
    stale = await up_to_date(ws)
    return {
        "at": ws.clock.now().isoformat(),
        "home": str(ws.home),
        "stale": stale,
        "costs": view(ws.home, "SELECT * FROM cost_by_flow"),
        "cost_per_new_row": view(ws.home, "SELECT * FROM cost_per_new_row"),
        "tables": _tables(ws.home),
        "quality": _quality(ws.home),
        "quarantined": view(ws.home, "SELECT count(*) AS rows FROM quarantined")[0]["rows"],
        **_unfinished(ws),
    }


def _unfinished(ws: Workspace) -> dict[str, Any]:
    """Purchases that are open or undelivered: by the ledger, or as last published where it can't be opened."""
    try:
        now = standing(ws)
        return {"open": len(now.open), "undelivered": len(now.undelivered)}
    except LedgerUnavailable:
        lost = "count(*) FILTER (undelivered)"
        return view(ws.home, f"SELECT count(*) - {lost} AS open, {lost} AS undelivered FROM open_purchases")[0]


def _tables(home: Path) -> list[dict[str, Any]]:
    """Every table that has rows, asked in one query: opening the file costs more than counting."""
    from warehouse.cache.sql import quoted
    from warehouse.cache.tables import declared_tables
    from warehouse.publish.views.catalog import time_column

    asked = [
        f"SELECT '{own.name}' AS \"table\", count(*) AS rows, max({quoted(time_column(own))})::VARCHAR AS newest, "
        f"max(observed_at) AS observed_at FROM {quoted(own.name)}"
        for own in declared_tables().values()
    ]
    return view(home, f"FROM ({' UNION ALL '.join(asked)}) WHERE rows > 0")


def _quality(home: Path) -> dict[str, Any]:
    """A line per dataset, and of everything that may be wrong how much there is, with the worst few."""
    found: dict[str, Any] = {"datasets": view(home, "SELECT * FROM quality_summary")}
    for name, select in LOOKS.items():
        [row] = view(home, f"SELECT count(*) AS count FROM ({select})")
        found[name] = {"count": row["count"], "worst": view(home, f"{select} ORDER BY {_WORST[name]} LIMIT {TOP}")}
    return found
