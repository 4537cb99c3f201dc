"""Keep rows that the published files hold and neither ledger nor cache has: both were lost, or the ledger restored.

Such rows can't be read again from any body, and asking for them again would cost money. A new cache is filled from the
published file, with its coverage, and replaces the present one in one step; the ledger's deliveries are loaded into it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from payer.values.crashpoints import crash_point
from sources import registry
from warehouse.cache.generation import write_meta
from warehouse.cache.instance import in_memory
from warehouse.cache.locking import file_lock
from warehouse.cache.sql import column_list, literal, quoted
from warehouse.cache.store import Cache, file_identity
from warehouse.cache.tables import Table, declared_tables
from warehouse.coverage.record import cover_rows
from warehouse.load.load import load_missing
from warehouse.load.rebuild import loaded_purchases, read_whole, remove, swap
from warehouse.load.upsert import make_all_current

if TYPE_CHECKING:
    import duckdb

    from payer.values.ledger_reads import LedgerReader

BESIDE = "cache-adopted.duckdb"
MIRRORED = ("loads", "quarantined", "drift")
COVERAGE = ("coverage", "coverage_open", "coverage_absent", "coverage_groups", "coverage_pages")
"""Tables of the cache that say what is held; a publication keeps them beside the public file."""

log = logging.getLogger(__name__)

_compared: dict[Path, object] = {}
"""By home, the files that were compared last in this process."""


def adopt_published(home: Path, ledger: LedgerReader) -> tuple[str, ...]:
    """Take over the published rows that nothing else has; returns notes on it, none where there are none.

    Cheap where the published file was made from the present cache. Safe to kill at any point.
    """
    public, cache = home / "published" / "warehouse.duckdb", Cache(home)
    if not public.exists():
        return ()
    files = file_identity(public), public.stat().st_mtime_ns, file_identity(cache.path)
    if _compared.get(home) == files:
        return ()
    with file_lock(home / "state" / "rebuild.lock"):
        notes = _adopt(home, public, cache, ledger)
    _compared[home] = file_identity(public), public.stat().st_mtime_ns, file_identity(cache.path)
    return notes


def coverage_tables(con: duckdb.DuckDBPyConnection, database: str) -> set[str]:
    """The coverage tables that an attached file has."""
    query = "SELECT table_name FROM duckdb_tables() WHERE database_name = ?"
    return {name for (name,) in con.execute(query, [database]).fetchall()} & set(COVERAGE)


def _adopt(home: Path, public: Path, cache: Cache, ledger: LedgerReader) -> tuple[str, ...]:
    with cache.locked():
        if (build := _stamped_build(public)) is not None and _build(cache) == build:
            return ()
    with _published(public) as con:
        if con is None:
            return ()
        [(build, rewinds)] = con.execute("SELECT build, rewinds FROM pub.publication").fetchall()
        with cache.locked():
            if _build(cache) == build:
                return ()
            cached = loaded_purchases(cache)
        published = {purchase for (purchase,) in con.execute("SELECT purchase_id FROM pub.loads").fetchall()}
    delivered = {purchase for _, purchase in ledger.delivery_index()}
    lost = published - cached - delivered
    if not lost:
        return ()
    if only_cached := cached - published - delivered:
        return (
            f"the published file has {len(lost)} deliveries, and the cache {len(only_cached)} others, that the ledger "
            "lacks: restore a newer backup of the ledger; until then the published file shows the cache's",
        )
    _fill(home, public, cache, ledger, str(build), int(rewinds))
    note = (
        f"{len(lost)} deliveries that the ledger lacks were taken over from the published file: their rows are held "
        "and not bought again"
    )
    log.warning(note)
    return (note,)


def _fill(home: Path, public: Path, old: Cache, ledger: LedgerReader, build: str, rewinds: int) -> None:
    cache = Cache(home, BESIDE)
    remove(cache)
    with cache.open() as con, _attached(con, public) as held:
        tables = [table for table in declared_tables().values() if _columns(con, "pub", table.observations)]
        cache.create_tables(con, [table.name for table in tables])
        con.execute("BEGIN")
        for table in tables:
            _copy_rows(con, table)
        for name in MIRRORED:
            _copy_table(con, "pub", name)
        known = [
            name for name in COVERAGE if name in held and _columns(con, "held", name) == _columns(con, "cache", name)
        ]
        for name in known:
            _copy_table(con, "held", name)
        if not known:  # the file of an older tollbook, or one that was copied without what lies beside it
            for table in tables:
                for dataset in map(registry.dataset, table.datasets):
                    cover_rows(con, dataset)
        # A published file that follows this build and so many rewinds is updated, not begun again: it has the costs of
        # what the ledger lost.
        con.execute("INSERT INTO rewinds SELECT '', now(), 0, 0 FROM range(?)", [rewinds])
        write_meta(con, build=build)
        con.execute("COMMIT")
    load_missing(cache, ledger)
    crash_point("adopt.before_swap")
    with old.locked():
        cache.checkpoint()
        swap(cache, old)
    crash_point("adopt.after_swap")


def _copy_rows(con: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Copy every version of a table's rows, hashed again: another release of DuckDB may hash otherwise."""
    have = _columns(con, "pub", table.observations) - {"row_hash"}
    names = column_list(name for name, _ in table.fields if name in have)
    bought = f"({', '.join(map(literal, table.datasets))})"  # the others are shown there provisionally
    con.execute(
        f"INSERT INTO {quoted(table.observations)} BY NAME SELECT {names}, {table.content_hash} AS row_hash FROM "
        f"(SELECT * FROM {quoted(table.observations)} WHERE false UNION ALL BY NAME "
        f"SELECT {names} FROM pub.{quoted(table.observations)} WHERE dataset IN {bought}) AS batch ORDER BY seq"
    )
    make_all_current(con, table)


@contextmanager
def _attached(con: duckdb.DuckDBPyConnection, public: Path) -> Iterator[set[str]]:
    """The public file as `pub`, and as `held` the file beside it in which a publication wrote coverage; yields the
    names of the tables in there."""
    _attach(con, public, "pub")
    attached = ["pub"]
    try:
        for path in sorted(public.parent.glob(".private/shown-*.duckdb")):
            _attach(con, path, "held")
            attached.append("held")
            if con.execute("FROM held.publication INTERSECT FROM pub.publication").fetchall():
                break
            con.execute(f"DETACH {attached.pop()}")
        yield coverage_tables(con, "held") if "held" in attached else set()
    finally:
        for name in attached:
            con.execute(f"DETACH {name}")


def _copy_table(con: duckdb.DuckDBPyConnection, database: str, name: str) -> None:
    names = column_list(sorted(_columns(con, database, name) & _columns(con, "cache", name)))
    con.execute(f"INSERT INTO {quoted(name)} BY NAME SELECT {names} FROM {database}.{quoted(name)}")


def _columns(con: duckdb.DuckDBPyConnection, database: str, table: str) -> set[str]:
    query = "SELECT column_name FROM duckdb_columns() WHERE database_name = ? AND table_name = ?"
    return {name for (name,) in con.execute(query, [database, table]).fetchall()}


def _stamped_build(public: Path) -> str | None:
    """The build by the stamp beside the public file, which is then not opened: closing it would drop the lock of a
    session in this process (I7). None where there is no stamp of this very file."""
    import duckdb

    status = public.stat()
    stamp = public.parent / ".private" / f"shown-{status.st_size}-{status.st_mtime_ns}.duckdb"
    if not stamp.exists():
        return None
    with in_memory() as con:
        try:
            _attach(con, stamp, "stamp")
            return str(con.execute("SELECT build FROM stamp.publication").fetchall()[0][0])
        except (duckdb.Error, IndexError):
            return None


def _build(cache: Cache) -> str | None:
    """The cache's build; None where there is no file, or none that can be read. Hold the lock."""
    return read_whole(cache, lambda _: cache.meta.get("build"), None)


@contextmanager
def _published(public: Path) -> Iterator[duckdb.DuckDBPyConnection | None]:
    """The published file as `pub`; None for one that can't be read, which has nothing to take over."""
    import duckdb

    with in_memory(public) as con:
        try:
            _attach(con, public, "pub")
            con.execute("SELECT build, rewinds FROM pub.publication")
        except duckdb.Error as error:
            log.warning("the published file can't be read, so nothing is taken over from it: %s", error)
            yield None
            return
        yield con


def _attach(con: duckdb.DuckDBPyConnection, path: Path, name: str) -> None:
    con.execute(f"ATTACH {literal(path)} AS {name} (READ_ONLY)")
