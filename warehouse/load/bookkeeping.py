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


def insert_loads(con: duckdb.DuckDBPyConnection, pages: Sequence[Page], counts: Mapping[str, tuple[int, int]]) -> None:
    """Insert one row per delivery, also for one without rows. `counts` are new and changed rows per purchase."""
    import pyarrow as pa

    row_counts = [counts.get(page.purchase_id, (0, 0)) for page in pages]
    append(
        con,
        "loads",
        pa.table(
            {
                "purchase_id": pa.array([page.purchase_id for page in pages], pa.string()),
                "seq": pa.array([page.seq for page in pages], pa.int64()),
                "dataset": pa.array([page.name for page in pages], pa.string()),
                "rows_in": pa.array([page.rows_in for page in pages], pa.int64()),
                "rows_new": pa.array([new for new, _ in row_counts], pa.int64()),
                "rows_changed": pa.array([changed for _, changed in row_counts], pa.int64()),
                "rows_quarantined": pa.array([page.rows_quarantined for page in pages], pa.int64()),
                "observed_at": pa.array([page.observed_at for page in pages], pa.timestamp("us", "UTC")),
                "envelope": pa.array([page.envelope for page in pages], pa.string()),
            }
        ),
    )


def insert_quarantined(con: duckdb.DuckDBPyConnection, pages: Sequence[Page]) -> None:
    """Insert every row, and every whole body, that could not be read (I4)."""
    import pyarrow as pa

    unreadable = [(page, reason, raw) for page in pages for reason, raw in page.quarantine]
    if unreadable:
        times = [page.observed_at for page, _, _ in unreadable]
        rows = {
            "purchase_id": [page.purchase_id for page, _, _ in unreadable],
            "dataset": [page.name for page, _, _ in unreadable],
            "observed_at": pa.array(times, pa.timestamp("us", "UTC")),
            "reason": [reason for _, reason, _ in unreadable],
            "raw": [raw for _, _, raw in unreadable],
        }
        append(con, "quarantined", pa.table(rows))


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
