"""Bring a lake up to the newest publication, in one transaction: all of it is visible, or nothing.

The publication says how many rows each part of a table has, and their digest: DuckDB's hash over all columns, XORed.
Parts that are as at the last write are neither read nor asked about. Where the rows that came since then account for
the difference, as a page's do, they are inserted; else both sides of the parts that differ are compared by their
hashes. What is committed is as published; `verify` and a thorough write read every row on both sides.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from warehouse.cache.sql import literal
from warehouse.lake.errors import LakeBusy, LakeDiffers
from warehouse.lake.tables import (
    PUBLICATION,
    LakeState,
    LakeTable,
    Part,
    Parts,
    StateChange,
    carried_parts,
    columns,
    prepare,
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
        try:
            con.execute("BEGIN TRANSACTION")
            states = read_states(con)
            if not states:
                con.execute("ROLLBACK")
                prepare(con)
                con.execute("BEGIN TRANSACTION")
                states = read_states(con)
            changes = _write(con, states, thorough)
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
        return Synced(_snapshot(con), len({*states, *(change.name for change in changes)}), tuple(changes))
    raise AssertionError("unreachable")


def verify(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Compare every table of the lake with what is published, row by row; the names of those that differ."""
    states = read_states(con)
    return [table.name for table in published_tables(con) if table.name in states and not _is_as_published(con, table)]


def _is_as_published(con: duckdb.DuckDBPyConnection, table: LakeTable) -> bool:
    if _columns_of(con, table.target) is None:
        return False
    return _measure(con, f"{table.target} p", table) == _measure(con, table.rows, table)


def _write(con: duckdb.DuckDBPyConnection, states: Mapping[str, LakeState], thorough: bool) -> list[TableChange]:
    shown = states.get(PUBLICATION.name)
    if not thorough and shown is not None and _is_current(shown, _measure(con, PUBLICATION.rows, PUBLICATION)):
        return []
    carried = None if thorough else carried_parts(con)
    changes, written = [], []
    for table in published_tables(con):
        if carried is not None and table.carried:
            now: Parts = carried.get(table.name, {})
        else:
            now = _measure(con, table.rows, table)
        before = states.get(table.name)
        if (before is None and not now) or (before is not None and _is_current(before, now) and not thorough):
            continue
        done, state = _change(con, table, before, now, thorough)
        if done is not None:
            changes.append(done)
        if done is not None or before is None or not _is_current(before, state.parts):
            written.append(_state_change(table, before, state))
    write_states(con, written)
    return changes


def _is_current(state: LakeState, now: Parts) -> bool:
    import duckdb

    return state.parts == now and state.engine == duckdb.__version__


def _state_change(table: LakeTable, before: LakeState | None, now: LakeState) -> StateChange:
    """The parts that differ; one at least, so that of two writers at once the second begins again."""
    known = {} if before is None else before.parts
    every = before is None or before.engine != now.engine or known == now.parts
    gone = [part for part in known if every or now.parts.get(part) != known[part]]
    return StateChange(
        table.name, gone, {part: each for part, each in now.parts.items() if every or part in gone or part not in known}
    )


def _change(
    con: duckdb.DuckDBPyConnection, table: LakeTable, before: LakeState | None, now: Parts, thorough: bool
) -> tuple[TableChange | None, LakeState]:
    """Make the lake's table as published: what changed, None for nothing, and the table's state then."""
    import duckdb

    if before is None or _columns_of(con, table.target) != columns(con, table.rows):
        removed = 0 if before is None else _rows(before.parts)
        con.execute(f"DROP TABLE IF EXISTS {table.target}")
        con.execute(f"CREATE TABLE {table.target} AS SELECT * FROM {table.rows}")
        _explain(con, table)
        made = _measure(con, table.rows, table)
        return TableChange(table.name, _rows(made), removed, _rows(made)), LakeState(made, duckdb.__version__)
    known = before.parts
    if before.engine != duckdb.__version__:
        known = _measure(con, f"{table.target} p", table)
    differ = {part for part in {*known, *now} if known.get(part) != now.get(part)}
    if table.single and not thorough:
        con.execute(f"DELETE FROM {table.target}")
        con.execute(f"INSERT INTO {table.target} SELECT * FROM {table.rows}")
        removed, added, fresh = _rows(known), _rows(now), now
    elif not thorough and (newer := _insert_newer(con, table, before.newest, known, now, differ)):
        removed, added = 0, _rows(newer)
        fresh = {part: known.get(part, Part(0, 0)).with_more(each) for part, each in newer.items()}
    else:
        differ = {*known, *now} if thorough else differ
        removed, added, fresh = _replace_different(con, table, "true" if thorough else table.within(differ))
    held = {**{part: each for part, each in known.items() if part not in differ}, **fresh}
    change = TableChange(table.name, _rows(held), removed, added) if removed or added else None
    return change, LakeState(held, duckdb.__version__)


def _insert_newer(
    con: duckdb.DuckDBPyConnection, table: LakeTable, newest: int, known: Parts, now: Parts, differ: set[int]
) -> Parts:
    """Insert the rows that came since the last write, if they are all that differs. Returns their parts, else none."""
    if not differ <= now.keys():
        return {}
    newer = f"SELECT * FROM {table.rows} WHERE {table.number} > {newest}"
    added = _measure(con, f"({newer}) p", table)
    if {part: known.get(part, Part(0, 0)).with_more(each) for part, each in added.items()} != {
        part: now[part] for part in differ
    }:
        return {}
    con.execute(f"INSERT INTO {table.target} {newer}")
    return added


def _rows(parts: Parts) -> int:
    return sum(part.rows for part in parts.values())


def _replace_different(con: duckdb.DuckDBPyConnection, table: LakeTable, within: str) -> tuple[int, int, Parts]:
    """Compare the rows of both sides by their hashes, and replace those that differ: rows removed and added, and the
    parts as they are then. Raises LakeDiffers."""
    con.execute(f"CREATE OR REPLACE TEMP TABLE ours AS SELECT hash(p) AS h FROM {table.rows} WHERE {within}")
    con.execute(f"CREATE OR REPLACE TEMP TABLE theirs AS SELECT hash(p) AS h FROM {table.target} p WHERE {within}")
    [(gone,)] = con.execute("SELECT count(*) FROM theirs ANTI JOIN ours USING (h)").fetchall()
    [(fresh,)] = con.execute("SELECT count(*) FROM ours ANTI JOIN theirs USING (h)").fetchall()
    if gone:
        con.execute(f"DELETE FROM {table.target} p WHERE {within} AND hash(p) NOT IN (SELECT h FROM ours)")
    if fresh:
        missing = f"WHERE {within} AND hash(p) NOT IN (SELECT h FROM theirs)"
        con.execute(f"INSERT INTO {table.target} SELECT * FROM {table.rows} {missing}")
    published = _measure(con, table.rows, table, within)
    if _measure(con, f"{table.target} p", table, within) != published:
        raise LakeDiffers(
            f"{table.name} in the lake would not be what is published",
            advice="nothing was written. Drop that table from the lake; `tollbook lake --thorough` writes it whole",
        )
    return gone, fresh, published


def _measure(con: duckdb.DuckDBPyConnection, relation: str, table: LakeTable, within: str = "true") -> dict[int, Part]:
    """The parts of a relation named p."""
    query = (
        f"SELECT {table.part}, count(*), bit_xor(hash(p)), coalesce(max({table.number}), 0) "
        f"FROM {relation} WHERE {within} GROUP BY ALL HAVING count(*) > 0"
    )
    return {number: Part(*part) for number, *part in con.execute(query).fetchall()}


def _columns_of(con: duckdb.DuckDBPyConnection, target: str) -> list[tuple[str, str]] | None:
    """The columns of a table of the lake; None where somebody dropped it."""
    import duckdb

    try:
        return columns(con, target)
    except duckdb.CatalogException:
        return None


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
    """The snapshot of this connection's last commit; where it made none, the newest."""
    [(snapshot,)] = con.execute("SELECT id FROM ducklake_last_committed_snapshot('lake')").fetchall()
    if snapshot is None:
        [(snapshot,)] = con.execute("SELECT id FROM ducklake_current_snapshot('lake')").fetchall()
    return int(snapshot)


def _roll_back(con: duckdb.DuckDBPyConnection) -> None:
    """End the transaction; where the failure has ended it, there is nothing left to end."""
    import duckdb

    try:
        con.execute("ROLLBACK")
    except duckdb.Error:
        return
