"""Rows of a batch into their tables: a new observation only where a row says something new, and the current rows.

The versions of a row are ordered by (observed_at, seq). A batch must not reach back behind what a table has already:
who loads it withdraws the later deliveries first, and brings them again with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from warehouse.cache.schema import Table, quoted
from warehouse.errors import WarehouseError

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from warehouse.load.parse import Page

Counts = dict[str, tuple[int, int]]
"""Purchase to its rows that were new, and those that changed."""


class NotUnique(WarehouseError):
    """A current table held a natural key twice. The file can't be trusted."""


def observe(con: duckdb.DuckDBPyConnection, table: Table, pages: Sequence[Page], *, in_order: bool = True) -> Counts:
    """Append what is new or changed, and make it current. Not `in_order`: the table may have later versions."""
    batch = _arrow(table, pages)
    if batch is None:
        return {}
    con.register("batch", batch)
    once = len(pages) == 1 or _each_key_once(con, table)
    fresh = _fresh(con, table, batch, _deliveries(pages), once=once)
    if not len(fresh):
        return {}
    con.register("fresh", fresh)
    order = f"ORDER BY observed_at, seq, {quoted(table.natural_key)}" if len(pages) > 1 else ""
    theirs = "SELECT * EXCLUDE (delivery, nth, is_new, is_known) FROM fresh"
    con.execute(f'INSERT INTO "{table.observations}" BY NAME {theirs} {order}')
    _make_current(con, table, known=int(fresh["is_known"].to_numpy().sum()), once=once)
    if not in_order:
        _reopen(con, table, "fresh")
    return _counted(fresh, pages)


def _fresh(
    con: duckdb.DuckDBPyConnection, table: Table, batch: pa.Table, deliveries: pa.Table, *, once: bool
) -> pa.Table:
    """Of the batch's rows those that say something new, with all columns of the table, `is_new` and `is_known`.

    DuckDB only says which: carrying all columns through its plan takes twice as long as picking them here.
    """
    import pyarrow as pa

    parts = {"hash": content_hash(table), "key": quoted(table.natural_key), "same": _known(table, "new")}
    query = (_NEWS_ONCE if once else _NEWS).format(newest=table.newest, **parts)
    if not once:
        con.register("deliveries", deliveries)
    news = con.execute(query).fetchnumpy()
    order = news["nth"].argsort()
    rows = batch.take(news["nth"][order])
    trail = deliveries.drop_columns("delivery").take(rows["delivery"])
    judged = {name: pa.array(news[name][order]) for name in ("row_hash", "is_new", "is_known")}
    return pa.table({**_columns(rows), **_columns(trail), **judged})


def _columns(table: pa.Table) -> dict[str, pa.ChunkedArray]:
    return dict(zip(table.column_names, table.columns, strict=True))


def _counted(fresh: pa.Table, pages: Sequence[Page]) -> Counts:
    """New and changed rows of each purchase that brought any."""
    brought = Counter(zip(fresh["delivery"].to_numpy().tolist(), fresh["is_new"].to_numpy().tolist(), strict=True))
    return {pages[n].purchase_id: (brought[n, True], brought[n, False]) for n in {n for n, _ in brought}}


_NEWS = """
WITH staged AS (
    SELECT nth, {key}, {hash} AS row_hash, observed_at, seq FROM batch JOIN deliveries USING (delivery)),
ordered AS (
    SELECT *, lag(row_hash) OVER versions AS before, row_number() OVER versions AS version
    FROM staged WINDOW versions AS (PARTITION BY {key} ORDER BY observed_at, seq))
SELECT nth, new.row_hash, version = 1 AND known.row_hash IS NULL AS is_new, known.row_hash IS NOT NULL AS is_known
FROM ordered new LEFT JOIN "{newest}" known ON {same}
WHERE new.row_hash IS DISTINCT FROM CASE WHEN version = 1 THEN known.row_hash ELSE before END"""
"""Of the batch's rows those that differ from the version before them, which is in the batch or in the current table."""

_NEWS_ONCE = """
WITH new AS (SELECT nth, {key}, {hash} AS row_hash FROM batch)
SELECT nth, new.row_hash, known.row_hash IS NULL AS is_new, known.row_hash IS NOT NULL AS is_known
FROM new LEFT JOIN "{newest}" known ON {same}
WHERE new.row_hash IS DISTINCT FROM known.row_hash"""
"""The same where no key comes twice in the batch: planned in half the time."""


def _each_key_once(con: duckdb.DuckDBPyConnection, table: Table) -> bool:
    """One body holds each key once; several may share some."""
    keys = quoted(table.natural_key)
    counted = con.execute(f"SELECT count(*) = count(DISTINCT row({keys})) FROM batch").fetchall()
    return bool(counted[0][0])


def _known(table: Table, rows: str) -> str:
    return " AND ".join(f'{rows}."{name}" = known."{name}"' for name in table.natural_key)


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
    others = dict.fromkeys((own.name for own in table.columns), pa.nulls(len(rows)))
    return pa.table({**others, **_columns(rows), "delivery": numbers, "nth": np.arange(len(rows))})


def content_hash(table: Table) -> str:
    """SQL for the hash of a row's content. One call over all values: DuckDB gives each place its own weight, while
    hashes joined by XOR cancel out when two columns swap their values."""
    return "hash({})".format(", ".join(f'batch."{name}"' for name in table.compared))


def _make_current(con: duckdb.DuckDBPyConnection, table: Table, *, known: int, once: bool) -> None:
    """The newest fresh version of each key takes the place of the one before. `known` fresh rows have one."""
    key, same = quoted(table.natural_key), _known(table, "new")
    if known:
        if not once:
            known = con.execute(f"SELECT count(DISTINCT row({key})) FROM fresh WHERE is_known").fetchall()[0][0]
        gone = con.execute(f'DELETE FROM "{table.newest}" known USING fresh new WHERE is_known AND {same}').fetchall()
        if gone[0][0] != known:
            raise NotUnique(f"{table.newest} held {gone[0][0]} rows for {known} keys")
    last = "" if once else f"QUALIFY {_last(table)}"
    con.execute(f'INSERT INTO "{table.newest}" SELECT {_version(table)} FROM fresh {last}')


def _last(table: Table) -> str:
    return f"row_number() OVER (PARTITION BY {quoted(table.natural_key)} ORDER BY observed_at DESC, seq DESC) = 1"


def _version(table: Table) -> str:
    return quoted(name for name, _ in table.newest_fields)


def withdraw(con: duckdb.DuckDBPyConnection, table: Table, purchases: Collection[str]) -> None:
    """Forget what these deliveries brought to the table, as if they had not been loaded."""
    names, key = list(purchases), quoted(table.natural_key)
    theirs = "purchase_id IN (SELECT unnest(?::VARCHAR[]))"
    con.execute(
        f'CREATE OR REPLACE TEMP TABLE reopened AS SELECT DISTINCT {key} FROM "{table.observations}" WHERE {theirs}',
        [names],
    )
    con.execute(f'DELETE FROM "{table.observations}" WHERE {theirs}', [names])
    con.execute(f"DELETE FROM loads WHERE {theirs}", [names])
    _reopen(con, table, "reopened")
    con.execute("DROP TABLE reopened")


def _reopen(con: duckdb.DuckDBPyConnection, table: Table, keys: str) -> None:
    """Make the newest observation of every key in the table `keys` current, whatever was."""
    con.execute(f'DELETE FROM "{table.newest}" known USING {keys} new WHERE {_known(table, "new")}')
    con.execute(f"""
        INSERT INTO "{table.newest}" SELECT {_version(table)}
        FROM "{table.observations}" SEMI JOIN {keys} USING ({quoted(table.natural_key)}) QUALIFY {_last(table)}""")
