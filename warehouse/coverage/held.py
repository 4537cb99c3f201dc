"""Read coverage: the cells that need not be bought, and the first slot of a key."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sources.coverage import cover as rules
from sources.planner.demand import again_edition
from sources.planner.held import HeldCells, OpenGroup
from sources.planner.pieces import AGAIN, group_of
from sources.slots import FINAL, slot
from warehouse.coverage.absent import ROWS, read_absent
from warehouse.coverage.store import DONE, ENDED, OPEN, key_sql, read_spans

if TYPE_CHECKING:
    import duckdb

    from sources.model import Dataset
    from warehouse.cache.store import Cache


PAGE_SIZE_KEPT = timedelta(days=28)
"""A seller's page size that proved to be smaller than asked for is assumed so long; asking for more then costs no call
that the smaller pages would not."""


def held(
    cache: Cache, dataset: Dataset, keys: Iterable[str], first: int, last: int, at: datetime, *, again: bool = False
) -> HeldCells:
    """Return the cells that a run scheduled for `at` need not buy of keys × slots first…last (inclusive), and those
    that were asked for in vain.

    The listings that it may continue are among them. `again`: also the groups that an operator asked for again on the
    day of `at`, as far as they are complete. Raises CacheIncomplete.
    """
    with cache.open(complete=True) as con:
        current_slot = slot(dataset, at)
        _register_wanted(con, dataset, keys)
        query = f"""SELECT key, first, last, bucket, settled FROM {ROWS} SEMI JOIN wanted USING (key)
            WHERE dataset = ? AND last >= ? AND first <= ? AND (settled OR bucket >= ?)"""
        spans = read_spans(con, query, [dataset.name, first, last, current_slot])
        absent = read_absent(con, dataset, "wanted")
        cells = rules.held_cells(
            dataset,
            spans,
            at,
            _open_groups(con, dataset, current_slot),
            _listing_rows(con, dataset),
            absent.judged(dataset),
            _page_rows(con, dataset, at),
        )
        return replace(cells, complete=_complete_again(con, dataset, at)) if again else cells


def beginnings(cache: Cache, dataset: Dataset, keys: Iterable[str]) -> dict[str, int]:
    """Map a key to the slot of its first row, where an answer for the slot before had no row."""
    with cache.open() as con:
        cache.create_tables(con, [dataset.table])
        _register_wanted(con, dataset, keys)
        rows = con.execute(
            f"""WITH began AS (
                    SELECT {key_sql(dataset)} AS key, min(epoch("{dataset.time_column}"))::BIGINT // ? AS first
                    FROM "{dataset.table}" GROUP BY 1)
                SELECT DISTINCT key, began.first
                FROM began SEMI JOIN wanted USING (key) JOIN coverage_absent c USING (key)
                WHERE c.dataset = ? AND NOT c.failed AND began.first - 1 BETWEEN c.first AND c.last""",
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


def _page_rows(con: duckdb.DuckDBPyConnection, dataset: Dataset, at: datetime) -> int | None:
    """The size of the seller's pages, where it proved to be smaller than asked for."""
    rows = con.execute(
        """SELECT page_rows FROM coverage_groups WHERE dataset = ? AND page_rows IS NOT NULL AND completed_at > ?
           ORDER BY completed_at DESC, group_id LIMIT 1""",
        [dataset.name, at - PAGE_SIZE_KEPT],
    ).fetchall()
    return rows[0][0] if rows else None


def _complete_again(con: duckdb.DuckDBPyConnection, dataset: Dataset, at: datetime) -> frozenset[str]:
    rows = con.execute(
        "SELECT group_id FROM coverage_groups WHERE dataset = ? AND state = ? AND ends_with(edition, ?)",
        [dataset.name, DONE, again_edition("", at)],
    ).fetchall()
    return frozenset(group_id for (group_id,) in rows)
