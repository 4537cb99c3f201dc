"""A load that finds the cache damaged or outdated makes it anew from the ledger first, and says so."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from warehouse.cache import schema
from warehouse.cache.damage import first_line, is_certain, is_damage
from warehouse.cache.store import Cache, file_identity
from warehouse.errors import CacheDamaged, CacheIncomplete
from warehouse.load.load import Outdated, bring_in
from warehouse.load.rebuild import rebuild
from warehouse.load.report import LoadReport, recount
from warehouse.load.upsert import NotUnique

if TYPE_CHECKING:
    from payer.values.ledger_reads import LedgerReader

T = TypeVar("T")

KEPT = 2
"""Damaged files that are kept for who wants to look into them; older ones are removed."""

log = logging.getLogger(__name__)


def load(cache: Cache, ledger: LedgerReader) -> LoadReport:
    """What is missing, after making anew what can't be added to. A second failure is the caller's to see."""
    import duckdb

    identity = file_identity(cache.path)
    try:
        report = bring_in(cache, ledger)
    except Outdated as why:
        report = _rebuilt(cache, ledger, str(why))
    except (CacheDamaged, NotUnique, duckdb.Error) as error:
        note = _set_aside(cache, identity, error)
        report = replace(bring_in(cache, ledger), note=note)
    return replace(report, note=cache.told(report.note))


def healed(cache: Cache, ledger: LedgerReader, work: Callable[[], T]) -> tuple[T, str | None]:
    """What `work` makes of the cache, and what had to be made anew first: a file that turned out to be damaged, or one
    that another process has begun anew and not filled yet. Raises what is no fault of the file."""
    import duckdb

    identity = file_identity(cache.path)
    try:
        return work(), None
    except CacheIncomplete:
        note = None
    except (CacheDamaged, duckdb.Error) as error:
        note = _set_aside(cache, identity, error)
    report = load(cache, ledger)
    return work(), note or report.note


def _rebuilt(cache: Cache, ledger: LedgerReader, why: str) -> LoadReport:
    """Made anew beside the old one, which stays in use; reported are only the deliveries the old one had not."""
    with cache.open() as con:
        known = {purchase for (purchase,) in con.execute("SELECT purchase_id FROM loads").fetchall()}
    note = f"{why}: the cache was made anew from the ledger"
    log.warning(note)
    rebuild(cache.home, ledger)
    with cache.open() as con:
        return replace(recount(con, known), note=note)


def _set_aside(cache: Cache, identity: tuple[int, int] | None, error: Exception) -> str | None:
    """Move a file that can't be trusted out of the way, unless somebody did so meanwhile. Raises the error where the
    file is not at fault: another kind of trouble, or one that a fresh file has just as well."""
    if not _is_at_fault(cache, error):
        raise error
    with cache.locked():
        if identity is None or file_identity(cache.path) != identity:
            return None
        aside = cache.path.with_name(f"{cache.path.stem}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S%f}.duckdb")
        os.replace(cache.path, aside)
        if _log_of(cache.path).exists():
            os.replace(_log_of(cache.path), _log_of(aside))
        for old in asides(cache)[:-KEPT]:
            old.unlink()
            _log_of(old).unlink(missing_ok=True)
    why = first_line(error)
    log.warning("the cache could not be read (%s): kept as %s, and made anew from the ledger", why, aside.name)
    return f"the cache could not be read ({why}): made anew from the ledger, the old file is {aside.name}"


def asides(cache: Cache) -> list[Path]:
    """Damaged files that were kept, oldest first."""
    return sorted(cache.path.parent.glob(f"{cache.path.stem}.damaged-*.duckdb"))


def _is_at_fault(cache: Cache, error: Exception) -> bool:
    if is_certain(error):
        return True
    if not isinstance(error, (CacheDamaged, NotUnique)) and not is_damage(error):
        return False
    return not _was_just_made(cache)


def _was_just_made(cache: Cache) -> bool:
    """Made anew because one before it failed, and not filled since: what fails again is not the file's fault."""
    import duckdb

    if not asides(cache):
        return False
    try:
        with cache.open() as con:
            return schema.read_meta(con).get("whole") != "yes"
    except (CacheDamaged, duckdb.Error):
        return False


def _log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.wal")
