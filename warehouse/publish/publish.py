"""published/warehouse.duckdb: what analysts open, brought up to date by what changed and replaced at once (I7).

What happens when the process dies: while the standby file is written nobody sees it, and its transaction is whole or
not there; in the middle of the swap, `Standby.settle` finds on the next start which name is which.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from payer.values.crashpoints import crash_point
from payer.values.ledger_reads import LedgerReader
from warehouse.cache.locking import file_lock
from warehouse.cache.sql import definition, literal, quoted
from warehouse.cache.store import Cache
from warehouse.cache.tables import Table
from warehouse.publish import catalog as catalogue
from warehouse.publish import costs, quality, stamp
from warehouse.publish import repair as mending
from warehouse.publish import replay as following
from warehouse.publish.ledger_snapshot import Ahead
from warehouse.publish.open_files import Held
from warehouse.publish.versions import LOCK, Standby
from warehouse.snapshots import write as snapshots

if TYPE_CHECKING:
    import duckdb

_STORAGE = "v1.5.0"
_MIRRORED = ("loads", "quarantined")


@dataclass(frozen=True, slots=True)
class Publication:
    """What one publication did. `changed` False: there was nothing new, the file stands as it was.

    `note` says what was found damaged, and made anew.
    """

    path: Path
    changed: bool
    seconds: float
    deliveries: int
    snapshot_files: int
    bytes: int
    held: Held
    note: str | None = None


def publish(
    home: Path,
    ledger: LedgerReader,
    *,
    anew: bool = False,
    thorough: bool = False,
    expected: quality.Expected | None = None,
) -> Publication:
    """Bring snapshots and the analysts' file up to the cache and the ledger. One publisher at a time; others wait.

    `anew` makes a fresh file from the cache instead of bringing an older one up to date; readers see one swap all the
    same. `thorough` reads everything published to find what is damaged. What is damaged is made anew, and the note
    says so. `expected` is what the schedules keep fresh; without it, what was last said.
    """
    attempt = partial(_publish, home, ledger, expected)
    return mending.mended(home, ledger, attempt, mending.Way(anew=anew, thorough=thorough))


def _publish(home: Path, ledger: LedgerReader, expected: quality.Expected | None, way: mending.Way) -> Publication:
    started = time.perf_counter()
    published = home / "published"
    published.mkdir(parents=True, exist_ok=True)
    with file_lock(published / LOCK):
        standby, cache, ahead = Standby(published), Cache(home), Ahead(ledger)
        standby.settle()
        seen = ahead.through(lambda books: _look(cache, standby, books, thorough=way.thorough))
        changed, deliveries = way.anew or not seen.current, 0
        if changed:
            _choose(standby, anew=way.anew, known=seen.of_this_ledger)
            deliveries = _bring_up(cache, standby, ahead, expected)
        crash_point("publish.before_swap")
        if changed:
            standby.swap()
            crash_point("publish.after_swap")
        if way.anew:
            standby.forget()
        return Publication(
            path=standby.public,
            changed=changed,
            seconds=time.perf_counter() - started,
            deliveries=deliveries,
            snapshot_files=len(seen.written.files),
            bytes=standby.public.stat().st_size,
            held=standby.held(),
            note=seen.written.note,
        )


@dataclass(frozen=True, slots=True)
class _Seen:
    """The snapshots that were written, and what the public file is: up to date, and made from this ledger."""

    written: snapshots.Written
    current: bool
    of_this_ledger: bool


def _look(cache: Cache, standby: Standby, ledger: LedgerReader, *, thorough: bool) -> _Seen:
    with cache.open(complete=True) as con:
        shown = _shown(con, standby)
        of_this_ledger = shown is None or shown.is_of(ledger)
        current = of_this_ledger and shown is not None and _is_current(con, shown, ledger)
        written = snapshots.write(con, standby.public.parent / "snapshots", ledger, thorough=thorough)
        crash_point("publish.snapshots")
        return _Seen(written, current, of_this_ledger)


def _shown(con: duckdb.DuckDBPyConnection, standby: Standby) -> stamp.Stamp | None:
    """What was said of the public file when it became public; without that, what it says itself."""
    if not standby.public.exists():
        return None
    return stamp.of_file(con, standby.shown) or stamp.of_file(con, standby.public)


def _is_current(con: duckdb.DuckDBPyConnection, shown: stamp.Stamp, ledger: LedgerReader) -> bool:
    """Whether the public file already shows everything."""
    cache = following.seen(con)
    if not shown.follows(cache) or shown.rewinds != cache.rewinds or shown.ledger_seq != ledger.last_seq():
        return False
    [(loads,)] = con.execute("SELECT count(*) FROM loads").fetchall()
    return loads == shown.loads and next(iter(ledger.avoided_rows(shown.avoided_seq)), None) is None


def _choose(standby: Standby, *, anew: bool, known: bool) -> None:
    """Have the version that is to be written. Of another ledger only the public one will do: it alone has the costs of
    everything that was bought under that."""
    if anew:
        standby.discard()
    elif known:
        standby.choose()
    else:
        standby.forget()
        standby.copy_public()


def _bring_up(cache: Cache, standby: Standby, ahead: Ahead, expected: quality.Expected | None) -> int:
    """Write what is missing into the chosen file. Returns the deliveries that were new to it."""
    while True:
        deliveries = ahead.through(lambda books: _write(cache, standby, books, expected))
        if deliveries is not None:
            return deliveries
        if not ahead.refresh():
            return ahead.through(lambda books: _write(cache, standby, books, expected, behind=True)) or 0


def _write(
    cache: Cache, standby: Standby, ledger: Ahead, expected: quality.Expected | None, *, behind: bool = False
) -> int | None:
    """One transaction. None where the cache has deliveries that the ledger's reading may lack, unless it may be behind:
    a row is never shown before its price."""
    seq = ledger.last_seq()
    ledger.mark(seq)
    with cache.open(complete=True) as con:
        [(newest,)] = con.execute("SELECT coalesce(max(seq), 0) FROM loads").fetchall()
        if newest > seq and not behind:
            return None
        if expected is not None:
            quality.expect(con, expected)
        with _attached(con, standby):
            shown = stamp.read(con, "pub")
            other = shown is not None and not shown.is_of(ledger)
            ledger.need(*((0, 0) if other else costs.known(con, "pub")))
            with _transaction(con):
                deliveries = _update(con, ledger, seq, shown, other_ledger=other)
                crash_point("publish.before_commit")
            con.execute("CHECKPOINT pub")
            _say_beside(con, standby)
    return deliveries


def _say_beside(con: duckdb.DuckDBPyConnection, standby: Standby) -> None:
    """What the file shows in a file of its own, so that nobody has to open the public one to know."""
    standby.saying.unlink(missing_ok=True)
    con.execute(f"ATTACH {literal(standby.saying)} AS saying (STORAGE_VERSION '{_STORAGE}')")
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


def _unusable() -> tuple[type[Exception], ...]:
    """What DuckDB raises for a file that is missing, damaged, or not ours."""
    import duckdb

    return (duckdb.IOException, duckdb.CatalogException, duckdb.SerializationException, duckdb.InvalidInputException)


@contextmanager
def _attached(con: duckdb.DuckDBPyConnection, standby: Standby) -> Iterator[None]:
    """The standby file as schema `pub`; made anew when it is missing, damaged, of another layout or another cache."""
    attach = f"ATTACH {literal(standby.path)} AS pub (STORAGE_VERSION '{_STORAGE}')"
    try:
        con.execute(attach)
        shown = stamp.read(con, "pub")
        if shown is None or not shown.follows(following.seen(con)):
            con.execute("DETACH pub")
            standby.discard()
            con.execute(attach)
    except _unusable():
        standby.discard()
        con.execute(attach)
    try:
        if stamp.read(con, "pub") is None or _shape(con) != catalogue.shape():
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
                con.execute(f"CREATE TABLE IF NOT EXISTS pub.{quoted(name)} ({definition(own.fields)})")
                _add_columns(con, name, own.fields)
        for name in (*_MIRRORED, "drift"):
            con.execute(f"CREATE TABLE IF NOT EXISTS pub.{name} AS FROM {name} LIMIT 0")
        stamp.create(con)
        _publish_facts(con, "LIMIT 0")
        costs.create(con, "pub")
        _name_things(con)


def _update(
    con: duckdb.DuckDBPyConnection, ledger: LedgerReader, seq: int, shown: stamp.Stamp | None, *, other_ledger: bool
) -> int:
    """Everything the standby lacks, found by the deliveries it has not seen and what the cache went back to."""
    costs.update(con, "pub", ledger, anew=other_ledger)
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
    following.mirror_drift(con)
    following.replay(con, shown.rewinds if shown else following.seen(con).rewinds)
    _publish_facts(con)
    stamp.write(con, ledger, seq)
    return int(deliveries)


def _update_table(con: duckdb.DuckDBPyConnection, own: Table, first: int, last: int) -> None:
    """Add the new observations, and put the current rows that came with them in place of what they replace.

    Rows lie in the order of their seq, so that its bounds leave the history unread.
    """
    theirs = f"seq BETWEEN {first} AND {last} AND purchase_id IN (SELECT purchase_id FROM news)"
    new = f"FROM {quoted(own.observations)} WHERE {theirs}"
    [(count,)] = con.execute(f"INSERT INTO pub.{quoted(own.observations)} BY NAME {new}").fetchall()
    if not count:
        return
    key = ", ".join(quoted(name) for name in own.natural_key)
    con.execute(f"CREATE OR REPLACE TEMP TABLE touched AS SELECT DISTINCT {key} {new}")
    following.make_current(con, own)


def _publish_facts(con: duckdb.DuckDBPyConnection, rows: str = "") -> None:
    with quality.facts(con):
        for name in quality.FACTS:
            con.execute(f"CREATE OR REPLACE TABLE pub.{name} AS FROM temp.{name} {rows}")


def _add_columns(con: duckdb.DuckDBPyConnection, name: str, fields: tuple[tuple[str, str], ...]) -> None:
    """A column declared since the file was made."""
    columns = "SELECT column_name FROM duckdb_columns() WHERE table_name = ? AND database_name = 'pub'"
    theirs = {column for (column,) in con.execute(columns, [name]).fetchall()}
    for column, kind in fields:
        if column not in theirs:
            con.execute(f"ALTER TABLE pub.{quoted(name)} ADD COLUMN {quoted(column)} {kind}")


def _name_things(con: duckdb.DuckDBPyConnection) -> None:
    [(ours,)] = con.execute("SELECT current_database()").fetchall()
    con.execute("USE pub")
    for statement in catalogue.statements():
        con.execute(statement)
    con.execute(f"USE {quoted(ours)}")
