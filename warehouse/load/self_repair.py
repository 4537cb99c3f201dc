"""Load, and work with, a cache that may turn out damaged or outdated: it is rebuilt from the ledger first."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from payer.values.ledger_reads import LedgerReader
from warehouse.cache.generation import read_meta
from warehouse.cache.integrity import first_line, is_certain_damage, is_damage
from warehouse.cache.log import WriteAheadLog
from warehouse.cache.store import Cache, file_identity
from warehouse.errors import CacheDamaged, CacheIncomplete
from warehouse.load.load import Outdated, all_loaded, load_missing
from warehouse.load.rebuild import rebuild
from warehouse.load.report import LoadReport, recount
from warehouse.load.upsert import NotUnique

T = TypeVar("T")

KEPT_FILES = 2
"""Damaged files that are kept for inspection; older ones are removed."""

log = logging.getLogger(__name__)


def load(cache: Cache, ledger: LedgerReader) -> LoadReport:
    """Load every body that the ledger holds and the cache has not seen.

    A file that is damaged or outdated is rebuilt first, and the report's notes say so. Raises what is no fault of the
    file, and a second failure.
    """
    import duckdb

    identity = file_identity(cache.path)
    try:
        return load_missing(cache, ledger)
    except Outdated as error:
        return _rebuilt(cache, ledger, str(error))
    except (CacheDamaged, NotUnique, duckdb.Error) as error:
        notes = _set_aside(cache, identity, error)
        done = load_missing(cache, ledger)
        return replace(done, notes=(*notes, *done.notes))


def with_repair(cache: Cache, ledger: LedgerReader, work: Callable[[Cache], T]) -> tuple[T, tuple[str, ...]]:
    """Do `work` on the cache; returns its result, and notes on what was rebuilt first: a file that turned out damaged,
    or one that another process has replaced and not filled yet. Raises what is no fault of the file."""
    import duckdb

    identity = file_identity(cache.path)
    try:
        return work(cache), ()
    except CacheIncomplete:
        notes: tuple[str, ...] = ()
    except (CacheDamaged, duckdb.Error) as error:
        notes = _set_aside(cache, identity, error)
    report = load(cache, ledger)
    return work(cache), notes or report.notes


def _rebuilt(cache: Cache, ledger: LedgerReader, why: str) -> LoadReport:
    """Rebuild beside the old file, which stays in use; the report counts only deliveries that the old file lacked."""
    with cache.open() as con:
        earlier = all_loaded(con)
    note = f"{why}: the cache was rebuilt from the ledger"
    log.warning(note)
    rebuild(cache.home, ledger)
    with cache.open() as con:
        return replace(recount(con, earlier), notes=(note,))


def _set_aside(cache: Cache, identity: tuple[int, int] | None, error: Exception) -> tuple[str, ...]:
    """Rename a file that can't be trusted, unless another process did so meanwhile; returns a note. Raises the error
    where the file is not at fault: another kind of trouble, or one that a fresh file has just as well."""
    if not _is_at_fault(cache, error):
        raise error
    with cache.locked():
        if identity is None or file_identity(cache.path) != identity:
            return ()
        aside = cache.path.with_name(f"{cache.path.stem}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S%f}.duckdb")
        os.replace(cache.path, aside)
        if cache.log.path.exists():
            os.replace(cache.log.path, WriteAheadLog(aside).path)
        for old in damaged_files(cache)[:-KEPT_FILES]:
            old.unlink()
            WriteAheadLog(old).remove()
    why = first_line(error)
    log.warning("the cache could not be read (%s): kept as %s, and rebuilt from the ledger", why, aside.name)
    return (f"the cache could not be read ({why}): rebuilt from the ledger, the old file is {aside.name}",)


def damaged_files(cache: Cache) -> list[Path]:
    """Damaged files that were kept, oldest first."""
    return sorted(cache.path.parent.glob(f"{cache.path.stem}.damaged-*.duckdb"))


def _is_at_fault(cache: Cache, error: Exception) -> bool:
    if is_certain_damage(error):
        return True
    if not isinstance(error, (CacheDamaged, NotUnique)) and not is_damage(error):
        return False
    return not _is_fresh_replacement(cache)


def _is_fresh_replacement(cache: Cache) -> bool:
    """True for a file made because one before it failed, and not filled since: what fails again is not its fault."""
    import duckdb

    if not damaged_files(cache):
        return False
    try:
        with cache.open() as con:
            return read_meta(con).get("whole") != "yes"
    except (CacheDamaged, duckdb.Error):
        return False
