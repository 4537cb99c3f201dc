"""Write the tables about deliveries beside their rows: loads, quarantined, drift, rewinds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from warehouse.cache.sql import append
from warehouse.load.report import Drifted

if TYPE_CHECKING:
    import duckdb

    from warehouse.coverage.page import Page

_Change = tuple[str, str, str]
"""Dataset, column, and kind of change."""

_LOADS = {"purchase_id": "string", "seq": "int64", "dataset": "string", "rows_in": "int64", "rows_new": "int64"}
_LOADS |= {"rows_changed": "int64", "rows_quarantined": "int64", "observed_at": "time", "envelope": "string"}
_QUARANTINED = {"purchase_id": "string", "dataset": "string", "observed_at": "time", "reason": "string"}
_QUARANTINED |= {"raw": "string"}


def insert_loads(con: duckdb.DuckDBPyConnection, pages: Sequence[Page], counts: Mapping[str, tuple[int, int]]) -> None:
    """Insert one row per delivery, also for one without rows. `counts` are new and changed rows per purchase."""
    rows = []
    for page in pages:
        new, changed = counts.get(page.purchase_id, (0, 0))
        read = (page.rows_in, new, changed, page.rows_quarantined)
        rows.append((page.purchase_id, page.seq, page.name, *read, page.observed_at, page.envelope))
    append(con, "loads", _LOADS, rows)


def insert_quarantined(con: duckdb.DuckDBPyConnection, pages: Sequence[Page]) -> None:
    """Insert every row, and every whole body, that could not be read (I4)."""
    rows = [
        (page.purchase_id, page.name, page.observed_at, reason, raw)
        for page in pages
        for reason, raw in page.quarantine
    ]
    append(con, "quarantined", _QUARANTINED, rows)


def insert_rewind(con: duckdb.DuckDBPyConnection, table: str, pages: Sequence[Page]) -> None:
    """Tell those who copy observations elsewhere that the table's from `since` on may differ from before."""
    if pages:
        since, seq = min(page.observed_at for page in pages), max(page.seq for page in pages)
        con.execute("INSERT INTO rewinds VALUES (?, ?, ?, ?)", [table, since, len(pages), seq])


def record_drift(con: duckdb.DuckDBPyConnection, pages: Sequence[Page]) -> tuple[Drifted, ...]:
    """Keep each change with the delivery that showed it first; returns the changes seen for the first time."""
    first: dict[_Change, tuple[datetime, str, str]] = {}
    for page in sorted(pages, key=lambda page: page.order):
        for column, change, detail in _changes(page):
            first.setdefault((page.name, column, change), (page.observed_at, page.purchase_id, detail))
    if not first:
        return ()
    query = 'SELECT dataset, "column", change, first_seen FROM drift'
    recorded = {(name, column, change): seen for name, column, change, seen in con.execute(query).fetchall()}
    for key, (seen, purchase, detail) in first.items():
        if key not in recorded or seen < recorded[key]:
            con.execute('DELETE FROM drift WHERE dataset = ? AND "column" = ? AND change = ?', list(key))
            con.execute("INSERT INTO drift VALUES (?, ?, ?, ?, ?, ?)", [*key, seen, purchase, detail])
    return tuple(Drifted(*key, detail) for key, (_, _, detail) in first.items() if key not in recorded)


def _changes(page: Page) -> Iterator[tuple[str, str, str]]:
    if page.parsed is None:
        return
    drift = page.parsed.drift
    yield from ((column, "new", kind) for column, kind in drift.new.items())
    yield from ((column, "vanished", "") for column in drift.vanished)
    yield from ((column, "changed", detail) for column, detail in drift.changed.items())
