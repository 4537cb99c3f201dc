"""Count cells that were asked for and not delivered, as last published."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from warehouse.errors import WarehouseError
from warehouse.query import query


@dataclass(frozen=True, slots=True)
class AbsentCounts:
    """Cells that are to be asked for again, and those that are confirmed to have no row."""

    unconfirmed: int
    confirmed_empty: int

    @property
    def text(self) -> str:
        return f"{self.unconfirmed} cells unconfirmed, {self.confirmed_empty} confirmed empty"


def absent_counts(home: Path) -> AbsentCounts | None:
    """Return the counts of the published file; None where there is none that has them."""
    import duckdb

    select = """SELECT coalesce(sum(slots_unconfirmed), 0)::BIGINT, coalesce(sum(slots_confirmed_empty), 0)::BIGINT
                FROM quality_summary"""
    try:
        _, [(unconfirmed, empty)] = query(home, select)
    except (WarehouseError, duckdb.Error, OSError):
        return None
    return AbsentCounts(unconfirmed, empty)
