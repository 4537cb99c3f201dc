"""Rows of a batch into their tables: a new observation only where a row says something new, and the current rows.

The versions of a row are ordered by (observed_at, seq). A batch must not reach back behind what a table has already:
who loads it withdraws the later deliveries first, and brings them again with it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from tollbook.warehouse.schema import Table, quoted

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from tollbook.warehouse.pages import Page

Counts = dict[str, tuple[int, int]]
"""Purchase to its rows that were new, and those that changed."""


class NotUnique(RuntimeError):
    """A current table held a natural key twice. The file can't be trusted."""


def observe(con: duckdb.DuckDBPyConnection, table: Table, pages: Sequence[Page]) -> Counts:
    """Append what is new or changed, and make it current."""
    if not _stage(con, table, pages):
        return {}
    key = quoted(table.natural_key)
    _fresh(con, table, key)
    columns = quoted(name for name, _ in table.fields)
    con.execute(f'INSERT INTO "{table.observations}" SELECT {columns} FROM fresh ORDER BY observed_at, seq, {key}')
    count = "SELECT purchase_id, count(*) FILTER (is_new), count(*) FILTER (NOT is_new) FROM fresh GROUP BY ALL"
    counts = con.execute(count).fetchall()
    _make_current(con, table, key, columns)
    con.execute("DROP TABLE fresh")
    return {purchase: (new, changed) for purchase, new, changed in counts}


def _stage(con: duckdb.DuckDBPyConnection, table: Table, pages: Sequence[Page]) -> bool:
    """The batch's rows as a table `staged`, each with its delivery and the hash of its content."""
    batch = _arrow(table, pages)
    if batch is None:
        return False
    import pyarrow as pa

    deliveries = pa.table(
        {
            "delivery": pa.array(range(len(pages)), pa.int32()),
            "observed_at": pa.array([page.observed_at for page in pages], pa.timestamp("us", "UTC")),
            "purchase_id": [page.purchase_id for page in pages],
            "dataset": [page.name for page in pages],
            "seq": [page.seq for page in pages],
        }
    )
    con.register("batch", batch)
    con.register("deliveries", deliveries)
    declared = ", ".join(f'batch."{own.name}"' for own in table.columns)
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE staged AS
        SELECT {declared}, observed_at, purchase_id, dataset, {_hash(table)} AS row_hash, seq
        FROM batch JOIN deliveries USING (delivery)""")
    con.unregister("batch")
    con.unregister("deliveries")
    return True


def _arrow(table: Table, pages: Sequence[Page]) -> pa.Table | None:
    """All rows of the batch in the table's columns, and which delivery each came with."""
    import numpy as np
    import pyarrow as pa

    found = [(number, page.parsed.table) for number, page in enumerate(pages) if page.parsed and len(page.parsed.table)]
    if not found:
        return None
    rows = pa.concat_tables([own for _, own in found], promote_options="default")
    numbers = np.repeat(np.array([number for number, _ in found], np.int32), [len(own) for _, own in found])
    rows = rows.append_column("delivery", pa.array(numbers))
    for own in table.columns:
        if own.name not in rows.column_names:
            rows = rows.append_column(own.name, pa.nulls(len(rows)))
    return rows


def _hash(table: Table) -> str:
    """SQL for the hash of a row's content. What is null adds nothing, so that a new column changes no older hash."""
    parts = [
        f"""CASE WHEN batch."{name}" IS NULL THEN 0::UBIGINT ELSE hash('{name}', batch."{name}") END"""
        for name in table.compared
    ]
    text = "0::UBIGINT"
    for part in parts:
        text = f"xor({text}, {part})"
    return text


def _fresh(con: duckdb.DuckDBPyConnection, table: Table, key: str) -> None:
    """Of the staged rows, those that differ from the version before them, as a table `fresh`."""
    same = " AND ".join(f's."{name}" = known."{name}"' for name in table.natural_key)
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE fresh AS
        SELECT s.* EXCLUDE (before, nth),
               known.row_hash IS NULL AND s.nth = 1 AS is_new,
               known.row_hash IS NOT NULL AS is_known
        FROM (SELECT *, lag(row_hash) OVER w AS before, row_number() OVER w AS nth FROM staged
              WINDOW w AS (PARTITION BY {key} ORDER BY observed_at, seq)) s
        LEFT JOIN "{table.name}" known ON {same}
        WHERE s.row_hash IS DISTINCT FROM CASE WHEN s.nth = 1 THEN known.row_hash ELSE before END"""
    )
    con.execute("DROP TABLE staged")


def _make_current(con: duckdb.DuckDBPyConnection, table: Table, key: str, columns: str) -> None:
    """The newest fresh version of each key takes the place of the one before."""
    known = con.execute(f"SELECT count(*) FROM (SELECT DISTINCT {key} FROM fresh WHERE is_known)").fetchall()[0][0]
    if known:
        same = " AND ".join(f'old."{name}" = fresh."{name}"' for name in table.natural_key)
        gone = con.execute(f'DELETE FROM "{table.name}" old USING fresh WHERE is_known AND {same}').fetchall()[0][0]
        if gone != known:
            raise NotUnique(f"{table.name} held {gone} rows for {known} keys")
    con.execute(f"""
        INSERT INTO "{table.name}" SELECT {columns} FROM fresh
        QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY observed_at DESC, seq DESC) = 1""")


def newest(con: duckdb.DuckDBPyConnection, table: Table) -> tuple[datetime, int] | None:
    """(observed_at, seq) of the last delivery the table has."""
    row = con.execute(
        "SELECT observed_at, seq FROM loads WHERE list_contains(?, dataset) ORDER BY ALL DESC LIMIT 1",
        [list(table.datasets)],
    ).fetchall()
    return row[0] if row else None


def later(con: duckdb.DuckDBPyConnection, table: Table, than: tuple[datetime, int]) -> set[str]:
    """Purchases whose deliveries the table has, and that were observed after this one."""
    rows = con.execute(
        "SELECT purchase_id FROM loads WHERE list_contains(?, dataset) AND (observed_at, seq) > (?, ?)",
        [list(table.datasets), *than],
    ).fetchall()
    return {purchase for (purchase,) in rows}


def withdraw(con: duckdb.DuckDBPyConnection, table: Table, purchases: Collection[str]) -> None:
    """Forget what these deliveries brought to the table, as if they had not been loaded."""
    names, key = list(purchases), quoted(table.natural_key)
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE reopened AS
        SELECT DISTINCT {key} FROM "{table.observations}" WHERE list_contains(?, purchase_id)""",
        [names],
    )
    con.execute(f'DELETE FROM "{table.observations}" WHERE list_contains(?, purchase_id)', [names])
    con.execute(f'DELETE FROM "{table.name}" WHERE list_contains(?, purchase_id)', [names])
    columns = quoted(name for name, _ in table.fields)
    con.execute(
        f"""
        INSERT INTO "{table.name}" SELECT {columns} FROM "{table.observations}" SEMI JOIN reopened USING ({key})
        QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY observed_at DESC, seq DESC) = 1
        """
    )
    con.execute("DROP TABLE reopened")
