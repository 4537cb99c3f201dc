"""A load that finds the cache damaged or outdated makes it anew from the ledger first, and says so."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tollbook.warehouse.cache import Cache, CacheDamaged, file_identity, first_line, is_damage
from tollbook.warehouse.load import Outdated, bring_in
from tollbook.warehouse.observe import NotUnique
from tollbook.warehouse.rebuild import rebuild
from tollbook.warehouse.report import LoadReport, recount

if TYPE_CHECKING:
    from tollbook.payer.ledger_reads import LedgerReader

log = logging.getLogger(__name__)


def load(cache: Cache, ledger: LedgerReader) -> LoadReport:
    """What is missing, after making anew what can't be added to. A second failure is the caller's to see."""
    import duckdb

    identity = file_identity(cache.path)
    try:
        return bring_in(cache, ledger)
    except Outdated as why:
        return _rebuilt(cache, ledger, str(why))
    except (CacheDamaged, NotUnique, duckdb.Error) as error:
        if isinstance(error, duckdb.Error) and not is_damage(error):
            raise
        aside = _set_aside(cache, identity, first_line(error))
    note = f"the cache could not be read: made anew from the ledger, the old file is {aside.name}" if aside else None
    return replace(bring_in(cache, ledger), note=note)


def _rebuilt(cache: Cache, ledger: LedgerReader, why: str) -> LoadReport:
    """Made anew beside the old one, which stays in use; reported are only the deliveries the old one had not."""
    with cache.open() as con:
        known = {purchase for (purchase,) in con.execute("SELECT purchase_id FROM loads").fetchall()}
    note = f"{why}: the cache was made anew from the ledger"
    log.warning(note)
    rebuild(cache.home, ledger)
    with cache.open() as con:
        return replace(recount(con, known), note=note)


def _set_aside(cache: Cache, identity: tuple[int, int] | None, why: str) -> Path | None:
    """Move a file that can't be trusted out of the way, unless somebody did so meanwhile."""
    with cache.locked():
        if identity is None or file_identity(cache.path) != identity:
            return None
        aside = cache.path.with_name(f"{cache.path.stem}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S%f}.duckdb")
        os.replace(cache.path, aside)
        wal = cache.path.with_name(f"{cache.path.name}.wal")
        if wal.exists():
            os.replace(wal, aside.with_name(f"{aside.name}.wal"))
    log.warning("the cache could not be read (%s): kept as %s, and made anew from the ledger", why, aside.name)
    return aside
