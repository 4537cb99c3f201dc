"""One page on money and data: costs, and how many, how new and how whole each table's rows are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tollbook.tasks.costing import up_to_date, view
from tollbook.tasks.standing import standing
from tollbook.tasks.workspace import Workspace


async def page(ws: Workspace) -> dict[str, Any]:
    """The document of `report`, from the published file brought up to date."""
    await up_to_date(ws)
    now = standing(ws)
    return {
        "at": now.at.isoformat(),
        "home": str(ws.home),
        "costs": view(ws.home, "SELECT * FROM cost_by_flow"),
        "cost_per_new_row": view(ws.home, "SELECT * FROM cost_per_new_row"),
        "tables": [table for table in _tables(ws.home) if table["rows"]],
        "quality": {name: view(ws.home, f"SELECT * FROM {name}") for name in _quality(ws.home)},
        "quarantined": view(ws.home, "SELECT count(*) AS rows FROM quarantined")[0]["rows"],
        "open": len(now.open),
        "undelivered": len(now.undelivered),
    }


def _tables(home: Path) -> list[dict[str, Any]]:
    from tollbook.warehouse.catalogue import quoted, tables, time_column

    found = []
    for own in tables():
        newest = quoted(time_column(own))
        select = f"SELECT count(*) AS rows, max({newest})::VARCHAR AS newest, max(observed_at) AS observed_at"
        [row] = view(home, f"{select} FROM {quoted(own.name)}")
        found.append({"table": own.name, **row})
    return found


def _quality(home: Path) -> list[str]:
    names = "SELECT table_name FROM information_schema.tables WHERE starts_with(table_name, 'quality_') ORDER BY 1"
    return [str(row["table_name"]) for row in view(home, names)]
