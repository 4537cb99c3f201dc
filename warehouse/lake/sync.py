"""Bring a lake up to the newest publication, in one transaction: all of it is visible, or nothing. Keep it small, by
functions of DuckLake.

The publication says how many rows each part of a table has, and their digest: DuckDB's hash over all columns, XORed.
Parts that are as at the last write are neither read nor asked about. Where the rows that came since then account for
the difference, as a page's do, they are inserted; else both sides of the parts that differ are compared by their
hashes. What is committed is as published; `verify` and a thorough write read every row on both sides.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from warehouse.cache.sql import literal
from warehouse.errors import LakeBusy, LakeDiffers
from warehouse.lake.tables import (
    LakeState,
    LakeTable,
    Part,
    Parts,
    carried_parts,
    columns,
    create_state,
    published_tables,
    read_states,
    write_states,
)
from warehouse.publish.views import table_parts

if TYPE_CHECKING:
    import duckdb

    from warehouse.lake.connect import LakeAddress

PUBLICATION = "publication"
"""Stands among the tables' states: while it is the same, so is everything else."""

ATTEMPTS = 3
"""Writes of one run: another process may have written in between."""

_ONE_THREAD, _ALL_THREADS = "SET threads = 1", "RESET threads"
_ROW_GROUP = 122_880
"""DuckDB divides work among threads by so many rows. For fewer, more threads cost more than they do."""


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

    con.execute(_ONE_THREAD)
    for attempt in range(1, ATTEMPTS + 1):
        con.execute("BEGIN TRANSACTION")
        try:
            states = read_states(con)
            digest, message = _publication(con)
            changes, now = _write(con, states or {}, digest, thorough)
            if now != states:
                if states is None:
                    create_state(con)
                write_states(con, now)
                con.execute(f"CALL ducklake_set_commit_message('lake', 'tollbook', {message})")
            con.execute("COMMIT")
        except BaseException as error:
            with suppress(duckdb.Error):  # the failure itself may have ended the transaction
                con.execute("ROLLBACK")
            if isinstance(error, duckdb.TransactionException) and attempt < ATTEMPTS:
                continue
            if isinstance(error, duckdb.TransactionException):
                raise LakeBusy(
                    f"another process wrote {address.shown} at the same time",
                    advice="run it again; one writer is enough, `tollbook lake` of one home",
                ) from None
            raise
        done = Synced(_snapshot(con), len(now), changes)
        con.execute(_ALL_THREADS)
        return done
    raise AssertionError("unreachable")


def verify(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Compare every table of the lake with what is published, row by row; the names of those that differ."""
    return [table.name for table in published_tables(con) if not _is_as_published(con, table)]


def _is_as_published(con: duckdb.DuckDBPyConnection, table: LakeTable) -> bool:
    published = _measure(con, table.rows, table)
    if _columns_of(con, table.target) is None:
        return not published
    return _measure(con, f"{table.target} p", table) == published


def _write(
    con: duckdb.DuckDBPyConnection, states: Mapping[str, LakeState], digest: int, thorough: bool
) -> tuple[tuple[TableChange, ...], Mapping[str, LakeState]]:
    """Make every table as published: what changed, and the states then; the given ones when nothing was written."""
    import duckdb

    shown = LakeState({0: Part(1, digest)}, duckdb.__version__)
    if not thorough and states.get(PUBLICATION) == shown:
        return (), states
    tables = published_tables(con)
    published = _published(con, tables, thorough)
    changes, now = [], {**states, PUBLICATION: shown}
    for table in tables:
        name = table.name
        if name not in states and not published[name]:
            continue
        change, now[name] = _update(con, table, states.get(name), published[name], thorough)
        if change is not None:
            changes.append(change)
    if not changes and states.get(PUBLICATION) == shown:
        return (), states
    return tuple(changes), now


def _update(
    con: duckdb.DuckDBPyConnection, table: LakeTable, before: LakeState | None, now: Parts, thorough: bool
) -> tuple[TableChange | None, LakeState]:
    """Make the lake's table as published, whose parts are `now`: what changed, None for nothing, and its state then."""
    import duckdb

    version = duckdb.__version__
    if before is not None and before.engine == version and not thorough:
        if before.parts == now:
            return None, before
        if _rows(now) - _rows(before.parts) > _ROW_GROUP:
            con.execute(_ALL_THREADS)
        since = table_parts.after(table.name, before.newest)
        newer = _measure(con, table.rows, table, since)
        grown = {part: before.parts.get(part, Part(0, 0)).with_more(each) for part, each in newer.items()}
        held = {**before.parts, **grown}
        if newer and held == now:
            con.execute(f"INSERT INTO {table.target} SELECT * FROM {table.rows} WHERE {since}")
            return TableChange(table.name, _rows(held), 0, _rows(newer)), LakeState(held, version)
    con.execute(_ALL_THREADS)
    if before is None or _columns_of(con, table.target) != columns(con, table.rows):
        removed = 0 if before is None else _rows(before.parts)
        con.execute(f"DROP TABLE IF EXISTS {table.target}")
        con.execute(f"CREATE TABLE {table.target} AS SELECT * FROM {table.rows}")
        _explain(con, table)
        made = _measure(con, table.rows, table)
        return TableChange(table.name, _rows(made), removed, _rows(made)), LakeState(made, version)
    known = before.parts if before.engine == version else _measure(con, f"{table.target} p", table)
    same = {} if thorough else {part: each for part, each in known.items() if now.get(part) == each}
    within = "true" if thorough else table.within((known.keys() | now.keys()) - same.keys())
    removed, added, measured = _replace_different(con, table, within)
    held = {**same, **measured}
    change = TableChange(table.name, _rows(held), removed, added) if removed or added else None
    return change, LakeState(held, version)


def _published(con: duckdb.DuckDBPyConnection, tables: Sequence[LakeTable], thorough: bool) -> Mapping[str, Parts]:
    """The parts of all published tables: as the publication carries them, where a table has as many rows as these say,
    else measured."""
    carried = None if thorough else carried_parts(con)
    if carried is None:
        con.execute(_ALL_THREADS)
        return {table.name: _measure(con, table.rows, table) for table in tables}
    counts = " UNION ALL ".join(f"SELECT {literal(each.name)}, count(*) FROM {each.counted}" for each in tables)
    rows = dict(con.execute(counts).fetchall())
    known = {table.name: carried.get(table.name, {}) for table in tables}
    wrong = [table for table in tables if _rows(known[table.name]) != rows[table.name]]
    return {**known, **{table.name: _measure(con, table.rows, table) for table in wrong}}


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


def _measure(con: duckdb.DuckDBPyConnection, relation: str, table: LakeTable, within: str = "true") -> Parts:
    part = f"count(*), bit_xor(hash(p)), coalesce(max({table_parts.number(table.name)}), 0)"
    query = f"SELECT {table.part}, {part} FROM {relation} WHERE {within} GROUP BY ALL"
    return {number: Part(*found) for number, *found in con.execute(query).fetchall()}


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


def _publication(con: duckdb.DuckDBPyConnection) -> tuple[int, str]:
    """The hash of the publication's row, and what a snapshot says of it, as SQL."""
    at = "strftime(published_at, '%Y-%m-%dT%H:%M:%S.%fZ')"
    query = f"SELECT hash(p), ledger_mark, ledger_seq, {at} FROM published.publication p"
    [(digest, mark, seq, published_at)] = con.execute(query).fetchall()
    extra = json.dumps({"ledger_mark": mark, "ledger_seq": seq, "published_at": published_at})
    return digest, f"{literal(f'publication of {published_at}')}, extra_info => {literal(extra)}"


def _snapshot(con: duckdb.DuckDBPyConnection) -> int:
    """The snapshot of this connection's last commit; where it made none, the newest."""
    [(snapshot,)] = con.execute("SELECT id FROM ducklake_last_committed_snapshot('lake')").fetchall()
    if snapshot is None:
        [(snapshot,)] = con.execute("SELECT id FROM ducklake_current_snapshot('lake')").fetchall()
    return int(snapshot)


SNAPSHOT_DAYS = 30
"""Days for which an older state of the lake can be asked for (AT VERSION, AT TIMESTAMP)."""
FILE_DAYS = 2
"""Days for which a file that no snapshot names is kept: for a query that began before, and for a write on its way."""


@dataclass(frozen=True, slots=True)
class Tidied:
    """One pass: snapshots ended, files before and after."""

    snapshots: int
    files_before: int
    files_after: int


def tidy(con: duckdb.DuckDBPyConnection) -> Tidied:
    """Merge small files, end snapshots older than SNAPSHOT_DAYS, delete files that nothing names for FILE_DAYS."""
    before = _files(con)
    con.execute("CALL ducklake_merge_adjacent_files('lake')")
    older = f"older_than => now() - INTERVAL {SNAPSHOT_DAYS} DAY"
    ended = len(con.execute(f"CALL ducklake_expire_snapshots('lake', {older})").fetchall())
    for each in ("ducklake_cleanup_old_files", "ducklake_delete_orphaned_files"):
        con.execute(f"CALL {each}('lake', older_than => now() - INTERVAL {FILE_DAYS} DAY)")
    return Tidied(ended, before, _files(con))


def _files(con: duckdb.DuckDBPyConnection) -> int:
    [(files,)] = con.execute("SELECT coalesce(sum(file_count), 0) FROM ducklake_table_info('lake')").fetchall()
    return int(files)
