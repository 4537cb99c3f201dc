"""Upsert the rows of a batch: append an observation where a row differs from the version before, and make it current.

The versions of a row are ordered by (observed_at, seq). A batch must not precede what a table has already: the caller
deletes later deliveries first, and loads them again with the batch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from warehouse.cache.sql import column_list, quoted
from warehouse.cache.tables import Table
from warehouse.errors import WarehouseError

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from warehouse.coverage.page import Page

Counts = dict[str, tuple[int, int]]
"""Per purchase the rows that were new, and those that changed."""


class NotUnique(WarehouseError):
    """A current table held a natural key twice. The file can't be trusted."""


def upsert(con: duckdb.DuckDBPyConnection, table: Table, pages: Sequence[Page], *, in_order: bool = True) -> Counts:
    """Append what is new or changed, and make it current; returns the counts. Not `in_order`: the table may have later
    versions."""
    batch = _arrow(table, pages)
    if batch is None:
        return {}
    con.register("batch", batch)
    unique = len(pages) == 1 or _keys_are_unique(con, table)
    fresh = _fresh(con, table, batch, _deliveries(pages), unique=unique)
    if not len(fresh):
        return {}
    con.register("fresh", fresh)
    order = f"ORDER BY observed_at, seq, {column_list(table.natural_key)}" if len(pages) > 1 else ""
    rows = "SELECT * EXCLUDE (delivery, nth, is_new, has_current) FROM fresh"
    con.execute(f"INSERT INTO {quoted(table.observations)} BY NAME {rows} {order}")
    _make_current(con, table, replaced=int(fresh["has_current"].to_numpy().sum()), unique=unique)
    if not in_order:
        _recompute_current(con, table, "fresh")
    return _counts(fresh, pages)


def _fresh(
    con: duckdb.DuckDBPyConnection, table: Table, batch: pa.Table, deliveries: pa.Table, *, unique: bool
) -> pa.Table:
    """The batch's rows that differ from the version before, with all columns of the table, `is_new` and `has_current`.

    DuckDB only selects which: carrying all columns through its plan takes twice as long as picking them here.
    """
    import pyarrow as pa

    parts = {"hash": table.content_hash, "key": column_list(table.natural_key), "same": _same_key(table, "new")}
    query = (_CHANGES_OF_UNIQUE_KEYS if unique else _CHANGES).format(newest=quoted(table.newest), **parts)
    if not unique:
        con.register("deliveries", deliveries)
    changes = con.execute(query).fetchnumpy()
    order = changes["nth"].argsort()
    rows = batch.take(changes["nth"][order])
    origin = deliveries.drop_columns("delivery").take(rows["delivery"])
    flags = {name: pa.array(changes[name][order]) for name in ("row_hash", "is_new", "has_current")}
    return pa.table({**_columns(rows), **_columns(origin), **flags})


def _columns(table: pa.Table) -> dict[str, pa.ChunkedArray]:
    return dict(zip(table.column_names, table.columns, strict=True))


def _counts(fresh: pa.Table, pages: Sequence[Page]) -> Counts:
    """New and changed rows of each purchase that had any."""
    totals = Counter(zip(fresh["delivery"].to_numpy().tolist(), fresh["is_new"].to_numpy().tolist(), strict=True))
    return {pages[n].purchase_id: (totals[n, True], totals[n, False]) for n in {n for n, _ in totals}}


_CHANGES = """
WITH staged AS (
    SELECT nth, {key}, {hash} AS row_hash, observed_at, seq FROM batch JOIN deliveries USING (delivery)),
ordered AS (
    SELECT *, lag(row_hash) OVER versions AS before, row_number() OVER versions AS version
    FROM staged WINDOW versions AS (PARTITION BY {key} ORDER BY observed_at, seq))
SELECT nth, new.row_hash, version = 1 AND stored.row_hash IS NULL AS is_new, stored.row_hash IS NOT NULL AS has_current
FROM ordered new LEFT JOIN {newest} stored ON {same}
WHERE new.row_hash IS DISTINCT FROM CASE WHEN version = 1 THEN stored.row_hash ELSE before END"""
"""The batch's rows that differ from the version before, which is in the batch or in the current table."""

_CHANGES_OF_UNIQUE_KEYS = """
WITH new AS (SELECT nth, {key}, {hash} AS row_hash FROM batch)
SELECT nth, new.row_hash, stored.row_hash IS NULL AS is_new, stored.row_hash IS NOT NULL AS has_current
FROM new LEFT JOIN {newest} stored ON {same}
WHERE new.row_hash IS DISTINCT FROM stored.row_hash"""
"""The same where no key is twice in the batch: planned in half the time."""


def _keys_are_unique(con: duckdb.DuckDBPyConnection, table: Table) -> bool:
    """One body holds each key once; several may share some."""
    keys = column_list(table.natural_key)
    counted = con.execute(f"SELECT count(*) = count(DISTINCT row({keys})) FROM batch").fetchall()
    return bool(counted[0][0])


def _same_key(table: Table, rows: str) -> str:
    return " AND ".join(f"{rows}.{quoted(name)} = stored.{quoted(name)}" for name in table.natural_key)


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
    """All rows of the batch in the table's columns, with the number of their delivery; None for no rows."""
    import numpy as np
    import pyarrow as pa

    parts = [(number, page.parsed.table) for number, page in enumerate(pages) if page.parsed and len(page.parsed.table)]
    if not parts:
        return None
    rows = pa.concat_tables([part for _, part in parts], promote_options="default")
    numbers = np.repeat(np.array([number for number, _ in parts], np.int32), [len(part) for _, part in parts])
    others = dict.fromkeys((column.name for column in table.columns), pa.nulls(len(rows)))
    return pa.table({**others, **_columns(rows), "delivery": numbers, "nth": np.arange(len(rows))})


def _make_current(con: duckdb.DuckDBPyConnection, table: Table, *, replaced: int, unique: bool) -> None:
    """Replace the current version of each key by the newest fresh one. `replaced` fresh rows have one."""
    key, same, newest = column_list(table.natural_key), _same_key(table, "new"), quoted(table.newest)
    if replaced:
        if not unique:
            replaced = con.execute(f"SELECT count(DISTINCT row({key})) FROM fresh WHERE has_current").fetchall()[0][0]
        [(deleted,)] = con.execute(
            f"DELETE FROM {newest} stored USING fresh new WHERE has_current AND {same}"
        ).fetchall()
        if deleted != replaced:
            raise NotUnique(f"{table.newest} held {deleted} rows for {replaced} keys")
    last = "" if unique else f"QUALIFY {_is_last_version(table)}"
    con.execute(f"INSERT INTO {newest} SELECT {_version(table)} FROM fresh {last}")


def _is_last_version(table: Table) -> str:
    return f"row_number() OVER (PARTITION BY {column_list(table.natural_key)} ORDER BY observed_at DESC, seq DESC) = 1"


def _version(table: Table) -> str:
    return column_list(name for name, _ in table.newest_fields)


def delete_deliveries(con: duckdb.DuckDBPyConnection, table: Table, purchases: Collection[str]) -> None:
    """Delete what these deliveries added to the table, as if they had not been loaded."""
    ids, key, observations = list(purchases), column_list(table.natural_key), quoted(table.observations)
    predicate = "purchase_id IN (SELECT unnest(?::VARCHAR[]))"
    keys = f"SELECT DISTINCT {key} FROM {observations} WHERE {predicate}"
    con.execute(f"CREATE OR REPLACE TEMP TABLE affected AS {keys}", [ids])
    con.execute(f"DELETE FROM {observations} WHERE {predicate}", [ids])
    con.execute(f"DELETE FROM loads WHERE {predicate}", [ids])
    _recompute_current(con, table, "affected")
    con.execute("DROP TABLE affected")


def make_all_current(con: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Fill the index of current rows, which is empty, from all observations."""
    con.execute(f"""
        INSERT INTO {quoted(table.newest)} SELECT {_version(table)} FROM {quoted(table.observations)}
        QUALIFY {_is_last_version(table)}""")


def _recompute_current(con: duckdb.DuckDBPyConnection, table: Table, keys: str) -> None:
    """Make the newest observation of every key in the relation `keys` the current one."""
    newest = quoted(table.newest)
    con.execute(f"DELETE FROM {newest} stored USING {keys} new WHERE {_same_key(table, 'new')}")
    con.execute(f"""
        INSERT INTO {newest} SELECT {_version(table)} FROM {quoted(table.observations)}
        SEMI JOIN {keys} USING ({column_list(table.natural_key)}) QUALIFY {_is_last_version(table)}""")
