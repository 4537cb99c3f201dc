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

from filelock import FileLock

from tollbook.crashpoints import crash_point
from tollbook.payer.ledger_reads import LedgerReader
from tollbook.warehouse import catalogue, costs, following, mending, quality, schema, snapshots, stamp
from tollbook.warehouse.cache import Cache
from tollbook.warehouse.catalogue import quoted
from tollbook.warehouse.schema import literal
from tollbook.warehouse.standby import Held, Standby

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
    with FileLock(published / ".publish.lock"):
        standby = Standby(published)
        standby.settle()
        with Cache(home).open(whole=True) as con:
            written = snapshots.write(con, published / "snapshots", ledger, thorough=way.thorough)
            crash_point("publish.snapshots")
            changed = way.anew or not _is_current(con, standby.public, ledger)
            if changed and expected is not None:
                quality.expect(con, expected)
            deliveries = _bring_up(con, standby, ledger, anew=way.anew) if changed else 0
        crash_point("publish.before_swap")
        if changed:
            standby.swap()
            crash_point("publish.after_swap")
        if way.anew:
            mending.drop_old(standby)
        return Publication(
            path=standby.public,
            changed=changed,
            seconds=time.perf_counter() - started,
            deliveries=deliveries,
            snapshot_files=len(written.files),
            bytes=standby.public.stat().st_size,
            held=standby.held(),
            note=written.note,
        )


def _unusable() -> tuple[type[Exception], ...]:
    """What DuckDB raises for a file that is missing, damaged, or not ours."""
    import duckdb

    return (duckdb.IOException, duckdb.CatalogException, duckdb.SerializationException, duckdb.InvalidInputException)


def _is_current(con: duckdb.DuckDBPyConnection, public: Path, ledger: LedgerReader) -> bool:
    """Whether the public file already shows everything, read as any analyst would read it."""
    shown = stamp.of_file(con, public)
    cache = following.seen(con)
    if shown is None or not shown.follows(cache) or shown.rewinds != cache.rewinds:
        return False
    if shown.ledger_seq != ledger.last_seq() or not shown.is_of(ledger):
        return False
    [(loads,)] = con.execute("SELECT count(*) FROM loads").fetchall()
    return loads == shown.loads and next(iter(ledger.avoided_rows(shown.avoided_seq)), None) is None


def _bring_up(con: duckdb.DuckDBPyConnection, standby: Standby, ledger: LedgerReader, *, anew: bool) -> int:
    """Write what is missing into the standby file, in one transaction. Returns the deliveries that were new to it."""
    if standby.path.exists() and standby.is_read():
        standby.retire()
    shown = stamp.of_file(con, standby.public)
    if anew or (shown is not None and not shown.is_of(ledger)):
        standby.discard()
    if not anew and not standby.path.exists() and standby.public.exists():
        standby.copy_public()
    seq = ledger.last_seq()
    with _attached(con, standby):
        with _transaction(con):
            deliveries = _update(con, ledger, seq)
            crash_point("publish.before_commit")
        con.execute("CHECKPOINT pub")
    return deliveries


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
                con.execute(f"CREATE TABLE IF NOT EXISTS pub.{quoted(name)} AS FROM {quoted(name)} LIMIT 0")
                _add_columns(con, name)
        for name in (*_MIRRORED, "drift"):
            con.execute(f"CREATE TABLE IF NOT EXISTS pub.{name} AS FROM {name} LIMIT 0")
        stamp.create(con)
        for name in quality.FACTS:
            con.execute(f"CREATE OR REPLACE TABLE pub.{name} AS FROM {name} LIMIT 0")
        costs.create(con, "pub")
        _name_things(con)


def _update(con: duckdb.DuckDBPyConnection, ledger: LedgerReader, seq: int) -> int:
    """Everything the standby lacks, found by the deliveries it has not seen and what the cache went back to."""
    shown = stamp.read(con, "pub")
    news = "SELECT purchase_id FROM loads ANTI JOIN pub.loads USING (purchase_id)"
    con.execute(f"CREATE OR REPLACE TEMP TABLE news AS {news}")
    [(deliveries,)] = con.execute("SELECT count(*) FROM news").fetchall()
    brought = {
        name
        for (name,) in con.execute("SELECT DISTINCT dataset FROM loads SEMI JOIN news USING (purchase_id)").fetchall()
    }
    for own in catalogue.tables():
        if brought.intersection(own.datasets):
            _update_table(con, own)
    for name in _MIRRORED:
        con.execute(f"INSERT INTO pub.{name} BY NAME SELECT * FROM {name} WHERE purchase_id IN (FROM news)")
    following.mirror_drift(con)
    following.replay(con, shown.rewinds if shown else following.seen(con).rewinds)
    costs.update(con, "pub", ledger, anew=shown is not None and not shown.is_of(ledger))
    for name in quality.FACTS:
        con.execute(f"CREATE OR REPLACE TABLE pub.{name} AS FROM {name}")
    stamp.write(con, ledger, seq)
    return int(deliveries)


def _update_table(con: duckdb.DuckDBPyConnection, own: schema.Table) -> None:
    """Add the new observations, and put the current rows that came with them in place of what they replace."""
    observations = own.observations
    new = f"FROM {quoted(observations)} WHERE purchase_id IN (FROM news)"
    [(count,)] = con.execute(f"SELECT count(*) {new}").fetchall()
    if not count:
        return
    con.execute(f"INSERT INTO pub.{quoted(observations)} BY NAME {new}")
    key = ", ".join(quoted(name) for name in own.natural_key)
    con.execute(f"CREATE OR REPLACE TEMP TABLE touched AS SELECT DISTINCT {key} {new}")
    following.make_current(con, own)


def _add_columns(con: duckdb.DuckDBPyConnection, name: str) -> None:
    """A column declared since the file was made."""
    columns = "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = ? AND database_name = "
    ours = con.execute(columns + "current_database()", [name]).fetchall()
    theirs = {column for column, _ in con.execute(columns + "'pub'", [name]).fetchall()}
    for column, kind in ours:
        if column not in theirs:
            con.execute(f"ALTER TABLE pub.{quoted(name)} ADD COLUMN {quoted(column)} {kind}")


def _name_things(con: duckdb.DuckDBPyConnection) -> None:
    [(ours,)] = con.execute("SELECT current_database()").fetchall()
    con.execute("USE pub")
    for statement in catalogue.statements():
        con.execute(statement)
    con.execute(f"USE {quoted(ours)}")
