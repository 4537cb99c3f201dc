"""Rebuild the cache from the ledger's bodies, for $0, to the same tables (I8).

A new file is filled beside the old one, which stays in use, and replaces it in one step.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from payer.values.crashpoints import crash_point
from payer.values.durable import fsync_path
from payer.values.errors import Misconfigured
from warehouse.cache.generation import FORMAT
from warehouse.cache.integrity import fingerprints, is_damage
from warehouse.cache.locking import file_lock
from warehouse.cache.store import Cache
from warehouse.errors import CacheDamaged
from warehouse.load.load import all_loaded, load_missing

if TYPE_CHECKING:
    import duckdb

    from payer.values.ledger_reads import LedgerReader

T = TypeVar("T")

BESIDE = "cache-rebuilt.duckdb"


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """One rebuild. `before` and `after` map tables to fingerprints; `before` is empty where no old file could be read.

    `forgotten` counts deliveries that the old file had and the ledger lacks.
    """

    rows: int
    seconds: float
    before: dict[str, str]
    after: dict[str, str]
    forgotten: int = 0

    @property
    def changed(self) -> tuple[str, ...]:
        """Tables whose content differs from before."""
        return tuple(name for name in sorted(self.after) if self.before and self.before.get(name) != self.after[name])


class LedgerLacks(Misconfigured):
    """The ledger lacks deliveries that the cache has: a rebuild would lose their rows."""

    repeat = "yes, once the ledger has them"
    advice = (
        "keep the cache and run as before, or restore a newer backup into an empty ledger; `tollbook rebuild "
        "--forget-lost` drops these rows, and a seller who serves a payment once will not send them again"
    )


def rebuild(home: Path, ledger: LedgerReader, *, forget_lost: bool = False) -> Rebuilt:
    """Read every body again. Safe to kill at any point, and beside running flows.

    What they load meanwhile is loaded here too before the files are swapped, with the cache closed while the ledger is
    read. Raises LedgerLacks where the cache has deliveries that the ledger lacks, unless `forget_lost`.
    """
    started = time.monotonic()
    cache, beside = Cache(home), Cache(home, BESIDE)
    with file_lock(home / "state" / "rebuild.lock"):
        remove(beside)
        lost = lacking(cache, ledger)
        if lost and not forget_lost:
            raise LedgerLacks(f"the cache has {len(lost)} deliveries that the ledger lacks: they would be lost")
        rows, hashes, missed = load_missing(beside, ledger).rows_in, None, None
        crash_point("rebuild.before_swap")
        while hashes is None:
            rows += load_missing(beside, ledger).rows_in
            with cache.locked():
                missing = loaded_purchases(cache) - loaded_purchases(beside)
                if not missing or missing == missed:
                    hashes = _hashes(cache), _hashes(beside)
                    beside.checkpoint()
                    swap(beside, cache)
                missed = missing
        before, after = hashes
        crash_point("rebuild.after_swap")
    return Rebuilt(rows, time.monotonic() - started, before, after, len(lost))


def lacking(cache: Cache, ledger: LedgerReader) -> set[str]:
    """Purchases that the cache has loaded and the ledger lacks, as after a restore from a backup."""
    with cache.locked():
        loaded = loaded_purchases(cache)
    return loaded - {purchase for _, purchase in ledger.delivery_index()}


def read_whole(cache: Cache, read: Callable[[duckdb.DuckDBPyConnection], T], otherwise: T) -> T:
    """Return what `read` does; `otherwise` where there is no file, or none that can be read. Hold the lock."""
    import duckdb

    if not cache.path.exists():
        return otherwise
    try:
        with cache.connected() as con:
            return read(con)
    except CacheDamaged:
        return otherwise
    except duckdb.Error as error:
        if not is_damage(error):
            raise
        return otherwise


def loaded_purchases(cache: Cache) -> set[str]:
    """Empty where there is no file, or none that can be read. Hold the lock."""
    return read_whole(cache, all_loaded, set())


def _hashes(cache: Cache) -> dict[str, str]:
    """Empty where there is no file, none that can be read to its end, or one of another format. Hold the lock."""
    return read_whole(cache, lambda con: fingerprints(con) if cache.meta["format"] == str(FORMAT) else {}, {})


def swap(new: Cache, old: Cache) -> None:
    """Replace the old file. Its log is removed first: without it the old file is merely behind, and the ledger has the
    rest."""
    old.log.remove()
    os.replace(new.path, old.path)
    new.log.remove()
    fsync_path(old.path.parent)


def remove(cache: Cache) -> None:
    """Remove a file and its log."""
    cache.log.remove()
    cache.path.unlink(missing_ok=True)
