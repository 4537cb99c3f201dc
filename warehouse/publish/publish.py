"""Publish what cache and ledger hold, and compact what is published. Damage met on the way is repaired first."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from payer.values.ledger_reads import LedgerReader
from warehouse.cache.store import Cache
from warehouse.errors import CacheDamaged, CacheIncomplete
from warehouse.load.adopt import adopt_published
from warehouse.load.self_repair import load
from warehouse.publish.attempt import publish_once
from warehouse.publish.publication import Publication, PublishOptions
from warehouse.publish.repair import discard_damaged_versions, repair_cache
from warehouse.publish.views.quality import Expected
from warehouse.snapshots.compact import Compaction, compact_files
from warehouse.snapshots.manifest import SnapshotsDamaged

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
    case. `thorough` reads everything published to find what is damaged. What is damaged is rebuilt, and the note says
    so. `expected` is what the schedules keep fresh; without it, what was given last. `forget_lost` drops published rows
    that neither ledger nor cache has, which are otherwise taken over first. `take_over` continues a published set that
    another home wrote last, from this home's cache of the same ledger, instead of writing it again.
    """
    import duckdb

    notes = discard_damaged_versions(home) if thorough and not rebuild else []
    options = PublishOptions(rebuild or bool(notes), thorough, take_over)
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
    every = dict.fromkeys([*notes, *_notes(done.note)])
    return replace(done, note="; ".join(every) or None)


def _notes(note: str | None) -> list[str]:
    return [note] if note else []
