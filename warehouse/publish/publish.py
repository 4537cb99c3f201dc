"""Publish what cache and ledger hold, and compact what is published. Damage met on the way is repaired first: the cache
from the ledger, published versions by writing new ones.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from payer.values.ledger_reads import LedgerReader
from warehouse.cache.instance import in_memory
from warehouse.cache.integrity import first_line, is_damage, read_through
from warehouse.cache.locking import file_lock
from warehouse.cache.sql import literal
from warehouse.cache.store import Cache
from warehouse.errors import CacheDamaged, CacheIncomplete
from warehouse.load.adopt import adopt_published
from warehouse.load.self_repair import load, with_repair
from warehouse.publish.attempt import publish_once
from warehouse.publish.publication import Publication, PublishOptions
from warehouse.publish.versions import Standby
from warehouse.publish.views.quality import Expected
from warehouse.snapshots.compact import Compaction, compact_files
from warehouse.snapshots.layout import PUBLISH_LOCK
from warehouse.snapshots.manifest import SnapshotsDamaged

if TYPE_CHECKING:
    from payer.values.ledger_reads import LedgerReader

MAX_REPAIRS = 3


def publish(
    home: Path,
    ledger: LedgerReader,
    *,
    rebuild: bool = False,
    thorough: bool = False,
    expected: Expected | None = None,
    forget_lost: bool = False,
    take_over: bool = False,
) -> Publication:
    """Bring snapshots and the analysts' file up to the cache and the ledger. One process publishes, others wait.

    `rebuild` writes a new file from the cache instead of updating an older version; readers see one swap in either
    case. `thorough` reads the cache and everything published to find what is damaged. What is damaged is rebuilt, and
    the note says so. `expected` is what the schedules keep fresh; without it, what was given last. `forget_lost` drops
    published rows that neither ledger nor cache has, which are otherwise taken over first. `take_over` continues a
    published set that another home wrote last, from this home's cache of the same ledger, instead of writing it again.
    """
    import duckdb

    notes = discard_damaged_versions(home) if thorough and not rebuild else []
    options = PublishOptions(rebuild or bool(notes), thorough, take_over)
    if thorough and Cache(home).path.exists():
        notes += with_repair(Cache(home), ledger, _read_cache)[1]
    for _ in range(MAX_REPAIRS):
        try:
            notes += () if forget_lost else adopt_published(home, ledger)
            return _with_notes(publish_once(home, ledger, expected, options), notes)
        except CacheIncomplete:
            notes += load(Cache(home), ledger).notes
        except (CacheDamaged, duckdb.Error) as error:
            cache_notes = repair_cache(home, ledger, error)
            version_notes = discard_damaged_versions(home)
            if options.thorough and not cache_notes and not version_notes:
                raise
            notes += [*cache_notes, *version_notes]
            options = replace(options, rebuild=options.rebuild or bool(version_notes), thorough=True)
    return _with_notes(publish_once(home, ledger, expected, options), notes)


def compact(home: Path, ledger: LedgerReader, *, at_least: int = 2, now: datetime | None = None) -> Compaction:
    """Rewrite each dataset's month that has `at_least` snapshot files as one. Rows, purchases and cost stay the same.

    Files that can't be read are rebuilt first, and the note says so.
    """
    moment = now or datetime.now(UTC)
    try:
        return compact_files(home, ledger, at_least=at_least, now=moment)
    except SnapshotsDamaged:
        note = publish(home, ledger, thorough=True).note
    return replace(compact_files(home, ledger, at_least=at_least, now=moment), note=note)


def _with_notes(done: Publication, notes: list[str]) -> Publication:
    return replace(done, note="; ".join(dict.fromkeys(filter(None, [*notes, done.note]))) or None)


def repair_cache(home: Path, ledger: LedgerReader, error: Exception) -> tuple[str, ...]:
    """Read the whole cache after an error, and rebuild it if it is damaged. Returns notes where it was.

    Raises the error where no file is at fault.
    """
    if not isinstance(error, CacheDamaged) and not is_damage(error):
        raise error
    _, notes = with_repair(Cache(home), ledger, _read_cache)
    return notes


def _read_cache(cache: Cache) -> None:
    with cache.open() as con:
        read_through(con, "cache")


def discard_damaged_versions(home: Path) -> list[str]:
    """Read every version of the published file. Returns a note for each that is damaged; older ones are removed.

    The public one stays for readers until the next publication rebuilds it.
    """
    published = home / "published"
    if not published.exists():
        return []
    with file_lock(published / PUBLISH_LOCK):
        return _discard_damaged(Standby(published))


def _discard_damaged(standby: Standby) -> list[str]:
    notes = []
    for path in standby.older_versions():
        if why := read_error(path):
            standby.discard(path)
            notes.append(f"an older version of the published file could not be read ({why}): rebuilt")
    if why := read_error(standby.public):
        notes.append(f"the published file could not be read ({why}): rebuilt from the cache")
    return notes


def read_error(path: Path) -> str | None:
    """Read a published file to its end and say why that fails; None where it can be read, or doesn't exist."""
    import duckdb

    if not path.exists():
        return None
    with in_memory(path) as con:
        try:
            con.execute(f"ATTACH {literal(path)} AS checked (READ_ONLY)")
            read_through(con, "checked")
        except (CacheDamaged, duckdb.Error) as error:
            if not isinstance(error, CacheDamaged) and not is_damage(error):
                raise
            return first_line(error)
    return None
