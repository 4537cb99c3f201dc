"""The cache made anew from the ledger's bodies, for nothing, to the same tables (I8).

A new file grows beside the old one, which is used meanwhile, and takes its place in one step.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from payer.values.crashpoints import crash_point
from payer.values.durable import fsync_path
from payer.values.errors import Misconfigured
from warehouse.cache.damage import is_damage
from warehouse.cache.fingerprint import fingerprints
from warehouse.cache.locking import in_turn
from warehouse.cache.schema import FORMAT
from warehouse.cache.store import Cache
from warehouse.errors import CacheDamaged
from warehouse.load.load import bring_in

if TYPE_CHECKING:
    from payer.values.ledger_reads import LedgerReader

BESIDE = "cache-rebuilt.duckdb"


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """`before` and `after` are a hash per table; `before` is empty where there was no file that could be read.

    `forgotten` counts deliveries that the old file knew and the ledger lacks.
    """

    rows: int
    seconds: float
    before: dict[str, str]
    after: dict[str, str]
    forgotten: int = 0

    @property
    def changed(self) -> tuple[str, ...]:
        """Tables that are not what they were."""
        return tuple(name for name in sorted(self.after) if self.before and self.before.get(name) != self.after[name])


class LedgerLacks(Misconfigured):
    """The cache has what was bought, and the ledger it would be made anew from has not: rows would be lost."""

    repeat = "yes, once the ledger has them"
    advice = (
        "keep the cache and run as before, or restore a newer backup into an empty ledger; `tollbook rebuild "
        "--forget-lost` drops these rows, and a seller who serves a payment once will not send them again"
    )


def rebuild(home: Path, ledger: LedgerReader, *, forget_lost: bool = False) -> Rebuilt:
    """Read every body again. Safe to kill at any point, and beside running flows.

    What they load meanwhile is brought in before the files are swapped, with the cache closed while the ledger is read.
    Raises LedgerLacks where the cache knows deliveries that the ledger lacks, unless they may be forgotten.
    """
    started = time.monotonic()
    cache, beside = Cache(home), Cache(home, BESIDE)
    with in_turn(home / "state" / "rebuild.lock"):
        _remove(beside.path)
        lost = lacking(cache, ledger)
        if lost and not forget_lost:
            raise LedgerLacks(f"the cache has {len(lost)} deliveries that the ledger lacks: they would be lost")
        rows, done, missed = bring_in(beside, ledger).rows_in, None, None
        crash_point("rebuild.before_swap")
        while done is None:
            rows += bring_in(beside, ledger).rows_in
            with cache.locked():
                still = _known(cache) - _known(beside)
                if not still or still == missed:
                    done = _hashes(cache), _hashes(beside)
                    beside.checkpoint()
                    _swap(beside.path, cache.path)
                missed = still
        before, after = done
        crash_point("rebuild.after_swap")
    return Rebuilt(rows, time.monotonic() - started, before, after, len(lost))


def lacking(cache: Cache, ledger: LedgerReader) -> set[str]:
    """Purchases that the cache has loaded and the ledger lacks, as after a restore from a backup."""
    with cache.locked():
        known = _known(cache)
    return known - {purchase for _, purchase in ledger.delivery_index()}


def _known(cache: Cache) -> set[str]:
    """Deliveries it has loaded; none where there is no such file, or none that can be read. Hold the lock."""
    import duckdb

    if not cache.path.exists():
        return set()
    try:
        with cache.connected() as con:
            return {purchase for (purchase,) in con.execute("SELECT purchase_id FROM loads").fetchall()}
    except CacheDamaged:
        return set()
    except duckdb.Error as error:
        if not is_damage(error):
            raise
        return set()


def _hashes(cache: Cache) -> dict[str, str]:
    """Empty when there is no such file, none that can be read to its end, or one of another format. Hold the lock."""
    import duckdb

    if not cache.path.exists():
        return {}
    try:
        with cache.connected() as con:
            return fingerprints(con) if cache.meta["format"] == str(FORMAT) else {}
    except CacheDamaged:
        return {}
    except duckdb.Error as error:
        if not is_damage(error):
            raise
        return {}


def _swap(new: Path, old: Path) -> None:
    """The old file's log goes first: without it the old file is merely behind, and the ledger has the rest."""
    _log_of(old).unlink(missing_ok=True)
    os.replace(new, old)
    fsync_path(old.parent)


def _remove(path: Path) -> None:
    _log_of(path).unlink(missing_ok=True)
    path.unlink(missing_ok=True)


def _log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.wal")
