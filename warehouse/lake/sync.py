"""Bring a lake up to the newest publication, in one transaction: all of it is visible, or nothing.

A table whose rows have the number and digest of the last write is left alone. Of the others only the keys with new
loads are replaced; what that misses (a row that ended without a load) shows in the digest, and then the rows of both
sides are compared by their hashes. The digest is DuckDB's hash over all columns: what is committed is as published.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from warehouse.cache.sql import literal
from warehouse.lake.errors import LakeBusy, LakeDiffers
from warehouse.lake.tables import (
    LakeState,
    LakeTable,
    columns,
    key_list,
    keys,
    published_tables,
    read_states,
    write_states,
)

if TYPE_CHECKING:
    import duckdb

    from warehouse.lake.address import LakeAddress

ATTEMPTS = 3
"""Writes of one run: another process may have written in between."""


@dataclass(frozen=True, slots=True)
class TableChange:
    """One write's changes of a table, in rows."""

    name: str
    rows: int
    removed: int
    added: int


@dataclass(frozen=True, slots=True)
class Synced:
    """The lake's snapshot after a write, and the tables that changed. Without changes there is no new snapshot."""

    snapshot: int
    tables: int
    changes: tuple[TableChange, ...]


def sync(con: duckdb.DuckDBPyConnection, address: LakeAddress, *, thorough: bool = False) -> Synced:
    """Write what has changed since the last write; `thorough` compares every row of every table.

    Raises LakeBusy, LakeDiffers, LakeTooNew, and DuckDB's own errors when catalog or storage fail: no change is seen.
    """
    import duckdb

    for attempt in range(1, ATTEMPTS + 1):
        con.execute("BEGIN TRANSACTION")
        try:
            tables, changes = _write(con, thorough)
            if changes:
                con.execute(f"CALL ducklake_set_commit_message('lake', 'tollbook', {_message(con)})")
            con.execute("COMMIT")
        except BaseException as error:
            _roll_back(con)
            if isinstance(error, duckdb.TransactionException) and attempt < ATTEMPTS:
                continue
            if isinstance(error, duckdb.TransactionException):
                raise LakeBusy(
                    f"another process wrote {address.shown} at the same time",
                    advice="run it again; one writer is enough, `tollbook lake` of one home",
                ) from None
            raise
        return Synced(_snapshot(con), tables, tuple(changes))
    raise AssertionError("unreachable")


def verify(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Compare every table of the lake with what is published, row by row; the names of those that differ."""
    states = read_states(con)
    return [
        table.name
        for table in published_tables(con)
        if table.name in states and _measure(con, f"{table.target} p") != _measure(con, table.rows)
    ]


def _write(con: duckdb.DuckDBPyConnection, thorough: bool) -> tuple[int, list[TableChange]]:
    import duckdb

    states, changes, held = read_states(con), [], 0
    kept = dict(states)
    for table in published_tables(con):
        rows, digest = _measure(con, table.rows)
        before = states.get(table.name)
        if before is None and not rows:
            continue
        held += 1
        now = LakeState(rows, digest, _newest(con, table), duckdb.__version__)
        if before == now and not thorough:
            continue
        change = _change(con, table, before, now, thorough)
        if change.removed or change.added or before is None:
            changes.append(change)
        states[table.name] = now
    if states != kept:
        write_states(con, states)
    return held, changes


def _change(
    con: duckdb.DuckDBPyConnection, table: LakeTable, before: LakeState | None, now: LakeState, thorough: bool
) -> TableChange:
    if before is None or columns(con, table.target) != columns(con, table.rows):
        con.execute(f"DROP TABLE IF EXISTS {table.target}")
        con.execute(f"CREATE TABLE {table.target} AS SELECT * FROM {table.rows}")
        _explain(con, table)
        return TableChange(table.name, now.rows, 0 if before is None else before.rows, now.rows)
    if thorough:
        return _replace_different(con, table, now, 0, 0)
    removed, added = _replace_touched(con, table, before, now)
    if _measure_is(con, table, before, now, removed, added):
        return TableChange(table.name, now.rows, removed.rows, added.rows)
    return _replace_different(con, table, now, removed.rows, added.rows)


@dataclass(frozen=True, slots=True)
class _Part:
    rows: int = 0
    digest: int = 0


def _replace_touched(
    con: duckdb.DuckDBPyConnection, table: LakeTable, before: LakeState, now: LakeState
) -> tuple[_Part, _Part]:
    """Replace the rows of every key that has a load since the last write."""
    if not table.key or now.seq <= before.seq:
        return _Part(), _Part()
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE touched AS SELECT DISTINCT {key_list(table, 'p')} FROM {table.rows} "
        "WHERE p.seq > ?",
        [before.seq],
    )
    same = " AND ".join(f"touched.{key} IS NOT DISTINCT FROM p.{key}" for key in keys(table).split(", "))
    touched = f"WHERE EXISTS (SELECT 1 FROM touched WHERE {same})"
    removed = _Part(*_measure(con, f"(SELECT * FROM {table.target} p {touched}) p"))
    added = _Part(*_measure(con, f"(SELECT * FROM {table.rows} {touched}) p"))
    if removed.rows:
        con.execute(f"DELETE FROM {table.target} p {touched}")
    con.execute(f"INSERT INTO {table.target} SELECT * FROM {table.rows} {touched}")
    return removed, added


def _measure_is(
    con: duckdb.DuckDBPyConnection, table: LakeTable, before: LakeState, now: LakeState, removed: _Part, added: _Part
) -> bool:
    """True when the lake now holds the published rows, by what it held and what was replaced."""
    if before.engine != now.engine:
        return _measure(con, f"{table.target} p") == (now.rows, now.digest)
    rows = before.rows - removed.rows + added.rows
    return (rows, before.digest ^ removed.digest ^ added.digest) == (now.rows, now.digest)


def _replace_different(
    con: duckdb.DuckDBPyConnection, table: LakeTable, now: LakeState, removed: int, added: int
) -> TableChange:
    """Compare the rows of both sides by their hashes, and replace those that differ. Raises LakeDiffers."""
    con.execute(f"CREATE OR REPLACE TEMP TABLE ours AS SELECT hash(p) AS h FROM {table.rows}")
    con.execute(f"CREATE OR REPLACE TEMP TABLE theirs AS SELECT hash(p) AS h FROM {table.target} p")
    gone = con.execute("SELECT count(*) FROM theirs ANTI JOIN ours USING (h)").fetchall()[0][0]
    fresh = con.execute("SELECT count(*) FROM ours ANTI JOIN theirs USING (h)").fetchall()[0][0]
    if gone:
        con.execute(f"DELETE FROM {table.target} p WHERE hash(p) NOT IN (SELECT h FROM ours)")
    if fresh:
        missing = "WHERE hash(p) NOT IN (SELECT h FROM theirs)"
        con.execute(f"INSERT INTO {table.target} SELECT * FROM {table.rows} {missing}")
    if _measure(con, f"{table.target} p") != (now.rows, now.digest):
        raise LakeDiffers(
            f"{table.name} in the lake would not be what is published",
            advice="nothing was written. Drop that table from the lake, then `tollbook lake` writes it whole",
        )
    return TableChange(table.name, now.rows, removed + gone, added + fresh)


def _measure(con: duckdb.DuckDBPyConnection, relation: str) -> tuple[int, int]:
    """Number and digest of the rows of a relation named p."""
    [(rows, digest)] = con.execute(f"SELECT count(*), coalesce(bit_xor(hash(p)), 0) FROM {relation}").fetchall()
    return rows, digest


def _newest(con: duckdb.DuckDBPyConnection, table: LakeTable) -> int:
    if not table.key:
        return 0
    [(seq,)] = con.execute(f"SELECT coalesce(max(p.seq), 0) FROM {table.rows}").fetchall()
    return int(seq)


def _explain(con: duckdb.DuckDBPyConnection, table: LakeTable) -> None:
    """Give a new table the comments that its columns are published with."""
    described = con.execute(
        "SELECT column_name, comment FROM duckdb_columns() "
        "WHERE database_name = 'published' AND table_name = ? AND comment IS NOT NULL",
        [table.name],
    ).fetchall()
    for column, comment in described:
        con.execute(f'COMMENT ON COLUMN {table.target}."{column}" IS {literal(comment)}')


def _message(con: duckdb.DuckDBPyConnection) -> str:
    [(mark, seq, at)] = con.execute(
        "SELECT ledger_mark, ledger_seq, strftime(published_at, '%Y-%m-%dT%H:%M:%S.%fZ') FROM published.publication"
    ).fetchall()
    extra = json.dumps({"ledger_mark": mark, "ledger_seq": seq, "published_at": at})
    return f"{literal(f'publication of {at}')}, extra_info => {literal(extra)}"


def _snapshot(con: duckdb.DuckDBPyConnection) -> int:
    [(snapshot,)] = con.execute("SELECT max(snapshot_id) FROM ducklake_snapshots('lake')").fetchall()
    return int(snapshot)


def _roll_back(con: duckdb.DuckDBPyConnection) -> None:
    """End the transaction; where the failure has ended it, there is nothing left to end."""
    import duckdb

    try:
        con.execute("ROLLBACK")
    except duckdb.Error:
        return
