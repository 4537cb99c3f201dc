"""Find damaged files, and repair or discard them: the cache from the ledger, published versions by writing new ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from warehouse.cache.instance import in_memory
from warehouse.cache.integrity import first_line, is_damage, read_through
from warehouse.cache.locking import file_lock
from warehouse.cache.sql import literal
from warehouse.cache.store import Cache
from warehouse.errors import CacheDamaged
from warehouse.load.self_repair import with_repair
from warehouse.publish.versions import Standby
from warehouse.snapshots.layout import PUBLISH_LOCK

if TYPE_CHECKING:
    from payer.values.ledger_reads import LedgerReader


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
        except duckdb.Error as error:
            if not is_damage(error):
                raise
            return first_line(error)
    return None
