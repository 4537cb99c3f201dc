"""published/warehouse.duckdb: what analysts open, brought up to date by what changed and replaced at once (I7).

What happens when the process dies: while the standby file is written nobody sees it, and its transaction is whole or
not there; in the middle of the swap, `Standby.settle` finds on the next start which name is which.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tollbook.crashpoints import crash_point
from tollbook.payer.ledger_reads import LedgerReader
from tollbook.warehouse import catalogue, costs, schema, snapshots
from tollbook.warehouse.ahead import Ahead
from tollbook.warehouse.cache import Cache
from tollbook.warehouse.catalogue import quoted
from tollbook.warehouse.locking import in_turn
from tollbook.warehouse.openfiles import Held
from tollbook.warehouse.standby import Standby

if TYPE_CHECKING:
    import duckdb

LAYOUT = 1
"""Raised when the analysts' file changes in a way that updating can't follow; it is then made anew."""

LOCK = ".publish.lock"
"""Beside the published files: who writes any of them holds it, in turn."""

_STORAGE = "v1.5.0"
_MIRRORED = ("loads", "quarantined", "drift")


@dataclass(frozen=True, slots=True)
class Publication:
    """What one publication did. `changed` False: there was nothing new, the file stands as it was."""

    path: Path
    changed: bool
    seconds: float
    deliveries: int
    snapshot_files: int
    bytes: int
    held: Held


def publish(home: Path, ledger: LedgerReader, *, anew: bool = False) -> Publication:
    """Bring snapshots and the analysts' file up to the cache and the ledger. One publisher at a time; others wait.

    `anew` makes a fresh file from the cache instead of bringing an older one up to date; readers see one swap all the
    same.
    """
    started = time.perf_counter()
    published = home / "published"
    published.mkdir(parents=True, exist_ok=True)
    with in_turn(published / LOCK):
        standby, cache, ahead = Standby(published), Cache(home), Ahead(ledger)
        standby.settle()
        written, changed = ahead.through(lambda books: _look(cache, standby, books))
        deliveries = 0
        if anew or changed:
            standby.discard() if anew else standby.choose()
            deliveries = _bring_up(cache, standby, ahead)
        crash_point("publish.before_swap")
        if anew or changed:
            standby.swap()
            crash_point("publish.after_swap")
        return Publication(
            path=standby.public,
            changed=anew or changed,
            seconds=time.perf_counter() - started,
            deliveries=deliveries,
            snapshot_files=len(written),
            bytes=standby.public.stat().st_size,
            held=standby.held(),
        )


def _look(cache: Cache, standby: Standby, ledger: LedgerReader) -> tuple[list[snapshots.File], bool]:
    """Snapshots of what is new, and whether the public file lacks anything."""
    with cache.open() as con:
        written = snapshots.write(con, standby.public.parent / "snapshots", ledger)
        crash_point("publish.snapshots")
        return written, not _is_current(con, standby, ledger)


def _unusable() -> tuple[type[Exception], ...]:
    """What DuckDB raises for a file that is missing, damaged, or not ours."""
    import duckdb

    return (duckdb.IOException, duckdb.CatalogException, duckdb.SerializationException, duckdb.InvalidInputException)


def _is_current(con: duckdb.DuckDBPyConnection, standby: Standby, ledger: LedgerReader) -> bool:
    """Whether the public file already shows everything, by what was said of it when it became public."""
    if not standby.public.exists() or not standby.shown.exists():
        return False
    try:
        con.execute(f"ATTACH '{standby.shown}' AS seen (READ_ONLY)")
    except _unusable():
        return False
    stamp = _stamp(con, "seen")
    con.execute("DETACH seen")
    if stamp is None or stamp["layout"] != LAYOUT or stamp["ledger_seq"] != ledger.last_seq():
        return False
    [(loads,)] = con.execute("SELECT count(*) FROM loads").fetchall()
    return loads == stamp["loads"] and next(iter(ledger.avoided_rows(stamp["avoided_seq"])), None) is None


def _stamp(con: duckdb.DuckDBPyConnection, schema: str) -> dict[str, int] | None:
    """What a file says it shows, None for one that says nothing."""
    try:
        found = con.execute(f"SELECT layout, ledger_seq, loads, avoided_seq FROM {schema}.publication").fetchall()
    except _unusable():
        return None
    names = ("layout", "ledger_seq", "loads", "avoided_seq")
    return dict(zip(names, found[0], strict=True)) if found else None


def _bring_up(cache: Cache, standby: Standby, ahead: Ahead) -> int:
    """Write what is missing into the chosen file. Returns the deliveries that were new to it."""
    while True:
        deliveries = ahead.through(lambda books: _write(cache, standby, books))
        if deliveries is not None:
            return deliveries
        if not ahead.refresh():
            return ahead.through(lambda books: _write(cache, standby, books, behind=True)) or 0


def _write(cache: Cache, standby: Standby, ledger: Ahead, *, behind: bool = False) -> int | None:
    """One transaction. None where the cache has deliveries that the ledger's reading may lack, unless it may be behind:
    a row is never shown before its price."""
    with cache.open() as con:
        seq = ledger.last_seq()
        [(newest,)] = con.execute("SELECT coalesce(max(seq), 0) FROM loads").fetchall()
        if newest > seq and not behind:
            return None
        with _attached(con, standby):
            ledger.need(*costs.known(con, "pub"))
            with _transaction(con):
                deliveries = _update(con, ledger, seq)
                crash_point("publish.before_commit")
            con.execute("CHECKPOINT pub")
            _say_beside(con, standby)
    return deliveries


def _say_beside(con: duckdb.DuckDBPyConnection, standby: Standby) -> None:
    """What the file shows in a file of its own, so that nobody has to open the public one to know."""
    standby.saying.unlink(missing_ok=True)
    con.execute(f"ATTACH '{standby.saying}' AS saying (STORAGE_VERSION '{_STORAGE}')")
    con.execute("CREATE TABLE saying.publication AS FROM pub.publication")
    con.execute("CHECKPOINT saying")
    con.execute("DETACH saying")


@contextmanager
def _transaction(con: duckdb.DuckDBPyConnection) -> Iterator[None]:
    con.execute("BEGIN")
    try:
        yield
    except BaseException:
        con.execute("ROLLBACK")
        raise
    con.execute("COMMIT")


@contextmanager
def _attached(con: duckdb.DuckDBPyConnection, standby: Standby) -> Iterator[None]:
    """The standby file as schema `pub`; made anew when it is missing, damaged or of another layout."""
    attach = f"ATTACH '{standby.path}' AS pub (STORAGE_VERSION '{_STORAGE}')"
    try:
        con.execute(attach)
        stamp = _stamp(con, "pub")
        if stamp is None or stamp["layout"] != LAYOUT:
            con.execute("DETACH pub")
            standby.discard()
            con.execute(attach)
    except _unusable():
        standby.discard()
        con.execute(attach)
    try:
        if _stamp(con, "pub") is None or _shape(con) != catalogue.shape():
            _shape_up(con)
        yield
    finally:
        con.execute("DETACH pub")


def _shape(con: duckdb.DuckDBPyConnection) -> str | None:
    found = con.execute("SELECT shape FROM pub.publication").fetchall()
    return str(found[0][0]) if found else None


def _shape_up(con: duckdb.DuckDBPyConnection) -> None:
    """Every declared table, column, view and macro, also what was declared since the file was made."""
    with _transaction(con):
        for own in catalogue.tables():
            for name in (own.observations, own.name):
                con.execute(f"CREATE TABLE IF NOT EXISTS pub.{quoted(name)} ({schema.definition(own)})")
                _add_columns(con, name, own.fields)
        for name in _MIRRORED:
            con.execute(f"CREATE TABLE IF NOT EXISTS pub.{name} AS FROM {name} LIMIT 0")
        con.execute(
            "CREATE TABLE IF NOT EXISTS pub.publication (layout BIGINT, shape VARCHAR, ledger_seq BIGINT, "
            "loads BIGINT, avoided_seq BIGINT, published_at TIMESTAMPTZ)"
        )
        costs.create(con, "pub")
        _name_things(con)


def _update(con: duckdb.DuckDBPyConnection, ledger: LedgerReader, seq: int) -> int:
    """Everything the standby lacks, found by the deliveries it has not seen."""
    news = "SELECT purchase_id, seq FROM loads ANTI JOIN pub.loads USING (purchase_id)"
    con.execute(f"CREATE OR REPLACE TEMP TABLE news AS {news}")
    [(deliveries, first, last)] = con.execute("SELECT count(*), min(seq), max(seq) FROM news").fetchall()
    brought = {
        name
        for (name,) in con.execute("SELECT DISTINCT dataset FROM loads SEMI JOIN news USING (purchase_id)").fetchall()
    }
    for own in catalogue.tables():
        if brought.intersection(own.datasets):
            _update_table(con, own, first, last)
    for name in _MIRRORED:
        con.execute(f"INSERT INTO pub.{name} BY NAME SELECT * FROM {name} SEMI JOIN news USING (purchase_id)")
    costs.update(con, "pub", ledger)
    for name in _quality(con):
        con.execute(f"CREATE OR REPLACE TABLE pub.{name} AS FROM {name}")
    _say_what_it_shows(con, seq)
    return int(deliveries)


def _update_table(con: duckdb.DuckDBPyConnection, own: schema.Table, first: int, last: int) -> None:
    """Add the new observations, and put the current rows that came with them in place of what they replace.

    Rows lie in the order of their seq, so that its bounds leave the history unread.
    """
    theirs = f"seq BETWEEN {first} AND {last} AND purchase_id IN (SELECT purchase_id FROM news)"
    new = f"FROM {quoted(own.observations)} WHERE {theirs}"
    [(count,)] = con.execute(f"INSERT INTO pub.{quoted(own.observations)} BY NAME {new}").fetchall()
    if not count:
        return
    key = ", ".join(quoted(name) for name in own.natural_key)
    same = " AND ".join(f"p.{quoted(n)} IS NOT DISTINCT FROM k.{quoted(n)}" for n in own.natural_key)
    con.execute(f"CREATE OR REPLACE TEMP TABLE touched AS SELECT DISTINCT {key} {new}")
    con.execute(f"DELETE FROM pub.{quoted(own.name)} p USING touched k WHERE {same}")
    current = f"SELECT p.* FROM {quoted(own.name)} p SEMI JOIN touched k ON {same}"
    con.execute(f"INSERT INTO pub.{quoted(own.name)} BY NAME {current}")


def _add_columns(con: duckdb.DuckDBPyConnection, name: str, fields: tuple[tuple[str, str], ...]) -> None:
    """A column declared since the file was made."""
    columns = "SELECT column_name FROM duckdb_columns() WHERE table_name = ? AND database_name = 'pub'"
    theirs = {column for (column,) in con.execute(columns, [name]).fetchall()}
    for column, kind in fields:
        if column not in theirs:
            con.execute(f"ALTER TABLE pub.{quoted(name)} ADD COLUMN {quoted(column)} {kind}")


def _quality(con: duckdb.DuckDBPyConnection) -> list[str]:
    names = (
        "SELECT table_name FROM information_schema.tables "
        "WHERE table_catalog = current_database() AND starts_with(table_name, 'quality_') ORDER BY 1"
    )
    return [name for (name,) in con.execute(names).fetchall()]


def _say_what_it_shows(con: duckdb.DuckDBPyConnection, seq: int) -> None:
    con.execute("DELETE FROM pub.publication")
    con.execute(
        "INSERT INTO pub.publication SELECT ?, ?, ?, (SELECT count(*) FROM loads), "
        "(SELECT coalesce(max(seq), 0) FROM pub.avoided), now()",
        [LAYOUT, catalogue.shape(), seq],
    )


def _name_things(con: duckdb.DuckDBPyConnection) -> None:
    [(ours,)] = con.execute("SELECT current_database()").fetchall()
    con.execute("USE pub")
    for statement in catalogue.statements():
        con.execute(statement)
    con.execute(f"USE {quoted(ours)}")
