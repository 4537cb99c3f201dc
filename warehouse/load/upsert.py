"""Upsert the rows of a batch: append an observation where a row differs from the version before, and make it current.

The versions of a row are ordered by (observed_at, seq). A batch must not precede what a table has already: the caller
deletes later deliveries first, and loads them again with the batch.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from warehouse.cache.sql import column_list, parsed, quoted
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
    unique = len(pages) == 1 or _keys_are_unique(con, table, batch)
    _fresh = _changes(con, table, batch, _delivery_rows(pages), unique=unique)
    if _fresh is None:
        return {}
    _rows = _with_values(_fresh.drop_columns(["delivery", "nth", "is_new", "has_current"]))
    order = f"ORDER BY observed_at, seq, {column_list(table.natural_key)}" if len(pages) > 1 else ""
    con.execute(parsed(con, f"INSERT INTO {quoted(table.observations)} BY NAME FROM _rows {order}"))
    _make_current(con, table, _fresh, unique=unique)
    if not in_order:
        con.register("again", _fresh)
        _recompute_current(con, table, "again")
    return _counts(_fresh, pages)


def _changes(
    con: duckdb.DuckDBPyConnection, table: Table, _batch: pa.Table, _deliveries: pa.Table, *, unique: bool
) -> pa.Table | None:
    """The batch's rows that differ from the version before, with all columns of the table, `is_new` and `has_current`;
    None for no rows.

    DuckDB only selects which: carrying all columns through its plan takes twice as long as picking them here.
    """
    import pyarrow as pa

    parts = {"hash": table.content_hash, "key": column_list(table.natural_key), "same": _same_key(table, "new")}
    query = (_CHANGED_OF_UNIQUE_KEYS if unique else _CHANGED).format(newest=quoted(table.newest), **parts)
    changes = con.execute(parsed(con, query)).fetchnumpy()
    if not len(changes["nth"]):
        return None
    order = changes["nth"].argsort()
    rows = _batch if len(order) == len(_batch) else _batch.take(changes["nth"][order])
    origin = _deliveries.drop_columns("delivery").take(rows["delivery"])
    flags = {name: pa.array(changes[name][order]) for name in ("row_hash", "is_new", "has_current")}
    return pa.table({**_columns(rows), **_columns(origin), **flags})


def _columns(table: pa.Table) -> dict[str, pa.ChunkedArray]:
    return dict(zip(table.column_names, table.columns, strict=True))


def _with_values(rows: pa.Table) -> pa.Table:
    """The columns in which some row has a value."""
    return rows.select([name for name in rows.column_names if rows[name].null_count < len(rows)])


def _counts(fresh: pa.Table, pages: Sequence[Page]) -> Counts:
    """New and changed rows of each purchase that had any."""
    import numpy as np

    numbers, is_new = fresh["delivery"].to_numpy(), fresh["is_new"].to_numpy()
    rows, new = (np.bincount(each, minlength=len(pages)).tolist() for each in (numbers, numbers[is_new]))
    return {pages[n].purchase_id: (new[n], rows[n] - new[n]) for n in range(len(pages)) if rows[n]}


_CHANGED = """
WITH staged AS (
    SELECT nth, {key}, {hash} AS row_hash, observed_at, seq FROM _batch batch JOIN _deliveries USING (delivery)),
ordered AS (
    SELECT *, lag(row_hash) OVER versions AS before, row_number() OVER versions AS version
    FROM staged WINDOW versions AS (PARTITION BY {key} ORDER BY observed_at, seq))
SELECT nth, new.row_hash, version = 1 AND stored.row_hash IS NULL AS is_new, stored.row_hash IS NOT NULL AS has_current
FROM ordered new LEFT JOIN {newest} stored ON {same}
WHERE new.row_hash IS DISTINCT FROM CASE WHEN version = 1 THEN stored.row_hash ELSE before END"""
"""The batch's rows that differ from the version before, which is in the batch or in the current table."""

_CHANGED_OF_UNIQUE_KEYS = """
WITH new AS (SELECT nth, {key}, {hash} AS row_hash FROM _batch batch)
SELECT nth, new.row_hash, stored.row_hash IS NULL AS is_new, stored.row_hash IS NOT NULL AS has_current
FROM new LEFT JOIN {newest} stored ON {same}
WHERE new.row_hash IS DISTINCT FROM stored.row_hash"""
"""The same where no key is twice in the batch: planned in half the time."""


def _keys_are_unique(con: duckdb.DuckDBPyConnection, table: Table, _batch: pa.Table) -> bool:
    """One body holds each key once; several may share some."""
    keys = column_list(table.natural_key)
    query = f"SELECT count(*) = count(DISTINCT row({keys})) FROM _batch"
    counted = con.execute(parsed(con, query)).fetchall()
    return bool(counted[0][0])


def _same_key(table: Table, rows: str) -> str:
    return " AND ".join(f"{rows}.{quoted(name)} = stored.{quoted(name)}" for name in table.natural_key)


def _delivery_rows(pages: Sequence[Page]) -> pa.Table:
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


def _make_current(con: duckdb.DuckDBPyConnection, table: Table, _fresh: pa.Table, *, unique: bool) -> None:
    """Replace the current version of each key by the newest fresh one."""
    key, same, newest = column_list(table.natural_key), _same_key(table, "new"), quoted(table.newest)
    replaced = int(_fresh["has_current"].to_numpy().sum())
    if replaced:
        if not unique:
            replaced = con.execute(f"SELECT count(DISTINCT row({key})) FROM _fresh WHERE has_current").fetchall()[0][0]
        [(deleted,)] = con.execute(
            f"DELETE FROM {newest} stored USING _fresh new WHERE has_current AND {same}"
        ).fetchall()
        if deleted != replaced:
            raise NotUnique(f"{table.newest} held {deleted} rows for {replaced} keys")
    last = "" if unique else f"QUALIFY {_is_last_version(table)}"
    con.execute(parsed(con, f"INSERT INTO {newest} SELECT {_version(table)} FROM _fresh {last}"))


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
