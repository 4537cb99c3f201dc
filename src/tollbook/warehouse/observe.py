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


def observe(con: duckdb.DuckDBPyConnection, table: Table, pages: Sequence[Page], *, in_order: bool = True) -> Counts:
    """Append what is new or changed, and make it current. Not `in_order`: the table may have later versions."""
    batch = _arrow(table, pages)
    if batch is None:
        return {}
    con.register("batch", batch)
    con.register("deliveries", _deliveries(pages))
    key = quoted(table.natural_key)
    con.execute(_FRESH.format(key=key, table=table.name, content=_content(table), hash=_hash(table), same=_same(table)))
    con.unregister("batch")
    con.unregister("deliveries")
    columns = quoted(name for name, _ in table.fields)
    con.execute(f'INSERT INTO "{table.observations}" SELECT {columns} FROM fresh ORDER BY observed_at, seq, {key}')
    _make_current(con, table, key, columns)
    if not in_order:
        con.execute(f"CREATE OR REPLACE TEMP TABLE reopened AS SELECT DISTINCT {key} FROM fresh")
        con.execute(f'DELETE FROM "{table.name}" known USING reopened new WHERE {_same(table)}')
        _reopen(con, table)
    count = "SELECT purchase_id, count(*) FILTER (is_new), count(*) FILTER (NOT is_new) FROM fresh GROUP BY ALL"
    counts = con.execute(count).fetchall()
    con.execute("DROP TABLE fresh")
    return {purchase: (new, changed) for purchase, new, changed in counts}


_FRESH = """
CREATE OR REPLACE TEMP TABLE fresh AS
WITH staged AS (
    SELECT {content}, observed_at, purchase_id, dataset, {hash} AS row_hash, seq
    FROM batch JOIN deliveries USING (delivery)),
ordered AS (
    SELECT *, lag(row_hash) OVER versions AS before, row_number() OVER versions AS nth
    FROM staged WINDOW versions AS (PARTITION BY {key} ORDER BY observed_at, seq))
SELECT new.* EXCLUDE (before, nth), nth = 1 AND known.row_hash IS NULL AS is_new, known.row_hash IS NOT NULL AS is_known
FROM ordered new LEFT JOIN "{table}" known ON {same}
WHERE new.row_hash IS DISTINCT FROM CASE WHEN nth = 1 THEN known.row_hash ELSE before END"""
"""Of the batch's rows those that differ from the version before them, which is in the batch or in the current table."""


def _same(table: Table) -> str:
    return " AND ".join(f'new."{name}" = known."{name}"' for name in table.natural_key)


def _content(table: Table) -> str:
    return ", ".join(f'batch."{own.name}"' for own in table.columns)


def _deliveries(pages: Sequence[Page]) -> pa.Table:
    import pyarrow as pa

    return pa.table(
        {
            "delivery": pa.array(range(len(pages)), pa.int32()),
            "observed_at": pa.array([page.observed_at for page in pages], pa.timestamp("us", "UTC")),
            "purchase_id": pa.array([page.purchase_id for page in pages], pa.string()),
            "dataset": pa.array([page.name for page in pages], pa.string()),
            "seq": pa.array([page.seq for page in pages], pa.int64()),
        }
    )


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
    """SQL for the hash of a row's content. What is null adds nothing, so that a new column changes no older hash.

    DuckDB combines the hashes of several values by XOR: without hashing once more, two columns that swap their values
    would cancel out.
    """
    parts = [
        f"""CASE WHEN batch."{name}" IS NULL THEN 0::UBIGINT ELSE hash(hash('{name}', batch."{name}")) END"""
        for name in table.compared
    ]
    text = "0::UBIGINT"
    for part in parts:
        text = f"xor({text}, {part})"
    return text


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
        SELECT DISTINCT {key} FROM "{table.observations}" WHERE purchase_id IN (SELECT unnest(?::VARCHAR[]))""",
        [names],
    )
    con.execute(f'DELETE FROM "{table.observations}" WHERE purchase_id IN (SELECT unnest(?::VARCHAR[]))', [names])
    con.execute(f'DELETE FROM "{table.name}" known USING reopened new WHERE {_same(table)}')
    con.execute("DELETE FROM loads WHERE purchase_id IN (SELECT unnest(?::VARCHAR[]))", [names])
    _reopen(con, table)


def _reopen(con: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Make the newest observation of the `reopened` keys current; they have no current row."""
    key, columns = quoted(table.natural_key), quoted(name for name, _ in table.fields)
    con.execute(f"""
        INSERT INTO "{table.name}" SELECT {columns} FROM "{table.observations}" SEMI JOIN reopened USING ({key})
        QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY observed_at DESC, seq DESC) = 1""")
    con.execute("DROP TABLE reopened")
