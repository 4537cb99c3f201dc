"""Read coverage: the cells that need not be bought, and the first slot of a key."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from sources.coverage import cover as rules
from sources.planner.held import HeldCells, OpenGroup
from sources.planner.pieces import AGAIN, group_of
from sources.slots import FINAL, slot
from warehouse.coverage.store import DONE, ENDED, OPEN, key_sql, read_spans

if TYPE_CHECKING:
    import duckdb

    from sources.model import Dataset
    from warehouse.cache.store import Cache


def held(cache: Cache, dataset: Dataset, keys: Iterable[str], first: int, last: int, at: datetime) -> HeldCells:
    """Return the cells that a run scheduled for `at` need not buy of keys × slots first…last (inclusive).

    The listings that it may continue are among them. Raises CacheIncomplete.
    """
    with cache.open(complete=True) as con:
        current_slot = slot(dataset, at)
        _register_wanted(con, dataset, keys)
        query = """SELECT key, first, last, bucket, settled
           FROM (FROM coverage UNION ALL SELECT * EXCLUDE (group_id) FROM coverage_open) SEMI JOIN wanted USING (key)
           WHERE dataset = ? AND last >= ? AND first <= ? AND (settled OR bucket >= ?)"""
        spans = read_spans(con, query, [dataset.name, first, last, current_slot])
        groups = _open_groups(con, dataset, current_slot)
        return rules.held_cells(dataset, spans, at, groups, _listing_rows(con, dataset))


def beginnings(cache: Cache, dataset: Dataset, keys: Iterable[str]) -> dict[str, int]:
    """Map a key to the slot of its first row, where a settled answer for the slot before had no row."""
    with cache.open() as con:
        cache.create_tables(con, [dataset.table])
        _register_wanted(con, dataset, keys)
        rows = con.execute(
            f"""WITH began AS (
                    SELECT {key_sql(dataset)} AS key, min(epoch("{dataset.time_column}"))::BIGINT // ? AS first
                    FROM "{dataset.table}" GROUP BY 1)
                SELECT DISTINCT key, began.first FROM began SEMI JOIN wanted USING (key) JOIN coverage c USING (key)
                WHERE c.dataset = ? AND c.settled AND began.first - 1 BETWEEN c.first AND c.last""",
            [dataset.grain, dataset.name],
        ).fetchall()
    return dict(rows)


def _register_wanted(con: duckdb.DuckDBPyConnection, dataset: Dataset, keys: Iterable[str]) -> None:
    """Make the keys a table `wanted`; a dataset without a key column has the one key `*`."""
    import pyarrow as pa

    wanted = list(dict.fromkeys(keys)) if dataset.key_column else ["*"]
    con.register("wanted", pa.table({"key": pa.array(wanted, pa.string())}))


def _open_groups(con: duckdb.DuckDBPyConnection, dataset: Dataset, current_slot: int) -> list[OpenGroup]:
    rows = con.execute(
        """SELECT context, pages, state FROM coverage_groups
           WHERE dataset = ? AND state <> ? AND len(pages) > 0 AND (edition = ? OR bucket >= ?) ORDER BY group_id""",
        [dataset.name, DONE, FINAL, current_slot],
    ).fetchall()
    return [OpenGroup(group_of(json.loads(context)), tuple(pages), state == ENDED) for context, pages, state in rows]


def _listing_rows(con: duckdb.DuckDBPyConnection, dataset: Dataset) -> int | None:
    """Rows that the listing had when it was last read to its end."""
    rows = con.execute(
        """SELECT rows FROM coverage_groups WHERE dataset = ? AND state <> ? AND NOT ends_with(edition, ?)
           ORDER BY completed_at DESC, group_id LIMIT 1""",
        [dataset.name, OPEN, AGAIN],
    ).fetchall()
    return rows[0][0] if rows else None
