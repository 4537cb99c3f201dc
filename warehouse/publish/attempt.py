"""One publication: write snapshots, update the standby file by what changed, swap it with the public file (I7).

A process that dies on the way leaves what readers can use: nobody reads the standby file while it is written, its
transaction is whole or absent, and the next publication finishes a swap that was interrupted.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from payer.values.crashpoints import crash_point
from payer.values.ledger_reads import LedgerReader
from warehouse.cache.generation import cache_version
from warehouse.cache.locking import file_lock
from warehouse.cache.store import Cache
from warehouse.publish import costs, stamp
from warehouse.publish.attach import attached, transaction
from warehouse.publish.ledger_snapshot import LedgerNeeds, LedgerSnapshot, with_ledger
from warehouse.publish.publication import Publication, PublishOptions
from warehouse.publish.update import create_sources, update, update_needs
from warehouse.publish.versions import Standby
from warehouse.publish.views.quality import Expected, expect
from warehouse.publish.views.table_parts import lake_mark
from warehouse.snapshots.layout import PUBLISH_LOCK, migrate
from warehouse.snapshots.write import WrittenSnapshots, costs_needed
from warehouse.snapshots.write import write as write_snapshots

if TYPE_CHECKING:
    import duckdb


def publish_once(home: Path, ledger: LedgerReader, expected: Expected | None, options: PublishOptions) -> Publication:
    """Publish what is new. Raises CacheIncomplete, CacheDamaged and DuckDB's errors for files that need repair."""
    started = time.perf_counter()
    published = home / "published"
    published.mkdir(parents=True, exist_ok=True)
    with file_lock(published / PUBLISH_LOCK):
        cache, standby = Cache(home), Standby(published)
        standby.finish_swap()
        migrate(published / "snapshots")
        first, snapshot = _write_snapshots(cache, standby, ledger, options)
        changed, deliveries = options.rebuild or not first.current, 0
        if changed:
            _choose_version(standby, rebuild=options.rebuild, of_this_ledger=first.of_this_ledger)
            deliveries = _update_standby(cache, standby, ledger, expected, snapshot, take_over=options.take_over)
        crash_point("publish.before_swap")
        if changed:
            standby.swap(None if first.shown is None else (first.shown.ledger_seq, first.shown.avoided_seq))
            crash_point("publish.after_swap")
        if options.rebuild:
            standby.drop_older_versions()
        return Publication(
            path=standby.public,
            changed=changed,
            seconds=time.perf_counter() - started,
            deliveries=deliveries,
            snapshot_files=len(first.written.files),
            bytes=standby.public.stat().st_size,
            held=standby.held(),
            note="; ".join([*filter(None, [first.written.note]), *standby.notes]) or None,
        )


@dataclass(frozen=True, slots=True)
class _FirstLook:
    """The snapshots that were written; the public file's stamp, and whether it shows everything and was made from this
    ledger."""

    written: WrittenSnapshots
    shown: stamp.Stamp | None
    current: bool
    of_this_ledger: bool


def _write_snapshots(
    cache: Cache, standby: Standby, ledger: LedgerReader, options: PublishOptions
) -> tuple[_FirstLook, LedgerSnapshot]:
    root = standby.public.parent / "snapshots"

    def needs(con: duckdb.DuckDBPyConnection, _: LedgerSnapshot | None) -> LedgerNeeds:
        """List what the snapshots need and, where there are any to write, also what the update will need."""
        shown = _public_stamp(con, standby)
        [(newest,)] = con.execute("SELECT coalesce(max(seq), 0) FROM loads").fetchall()
        costs_after = costs_needed(con, root, thorough=options.thorough, take_over=options.take_over)
        if shown is None:
            return LedgerNeeds(int(newest), costs_after=0, avoided_after=0)
        if costs_after is None:
            return LedgerNeeds(int(newest), frozenset({shown.ledger_seq}), None, shown.avoided_seq)
        versions = [(shown.ledger_seq, shown.avoided_seq), *standby.shown_before()]
        oldest, oldest_avoided = map(min, zip(*versions, strict=True))
        marks = frozenset(seq for seq, _ in versions)
        return LedgerNeeds(int(newest), marks, min(costs_after, costs.late(oldest)), costs.late(oldest_avoided))

    def work(con: duckdb.DuckDBPyConnection, snapshot: LedgerSnapshot) -> _FirstLook:
        shown = _public_stamp(con, standby)
        of_this_ledger = shown is None or shown.is_of(snapshot)
        current = of_this_ledger and shown is not None and _is_current(con, shown, snapshot, options)
        written = write_snapshots(con, root, snapshot.costs, thorough=options.thorough, take_over=options.take_over)
        crash_point("publish.snapshots")
        return _FirstLook(written, shown, current, of_this_ledger)

    return with_ledger(cache, ledger, needs, work)


def _public_stamp(con: duckdb.DuckDBPyConnection, standby: Standby) -> stamp.Stamp | None:
    """The stamp kept beside the public file when it became public; without that, the file's own."""
    if not standby.public.exists():
        return None
    return stamp.read_file(con, standby.public_stamp) or stamp.read_file(con, standby.public)


def _is_current(
    con: duckdb.DuckDBPyConnection, shown: stamp.Stamp, ledger: LedgerSnapshot, options: PublishOptions
) -> bool:
    """True when the public file shows everything that cache and ledger have."""
    cache = cache_version(con)
    same = shown.follows(cache) and shown.rewinds == cache.rewinds
    if not (same or (options.take_over and shown.is_continued_by(cache))) or shown.ledger_seq != ledger.seq:
        return False
    [(loads,)] = con.execute("SELECT count(*) FROM loads").fetchall()
    return loads == shown.loads and not ledger.avoided_rows(shown.avoided_seq)


def _choose_version(standby: Standby, *, rebuild: bool, of_this_ledger: bool) -> None:
    """Prepare the version to write. After another ledger it is a copy of the public file, which alone has the costs of
    everything that was bought under that one."""
    if rebuild:
        standby.discard()
    elif of_this_ledger:
        standby.prepare()
    else:
        standby.drop_older_versions()
        standby.copy_public()


def _update_standby(
    cache: Cache,
    standby: Standby,
    ledger: LedgerReader,
    expected: Expected | None,
    snapshot: LedgerSnapshot,
    *,
    take_over: bool,
) -> int:
    """Update the chosen version in one transaction. Returns the deliveries that were new to it."""

    def work(con: duckdb.DuckDBPyConnection, snapshot: LedgerSnapshot) -> int:
        if expected is not None:
            expect(con, expected)
        create_sources(con)
        with transaction(con):
            deliveries = update(con, snapshot, parts=parts)
            crash_point("publish.before_commit")
        con.execute("CHECKPOINT pub")
        stamp.write_file(con, standby.stamp_draft)
        return deliveries

    parts = lake_mark(standby.public.parent).exists()
    within = partial(attached, standby=standby, take_over=take_over)
    deliveries, _ = with_ledger(cache, ledger, update_needs, work, snapshot, within)
    return deliveries
