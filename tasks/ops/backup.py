"""Back up the ledger to a file, and restore it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from payer.ledger import Ledger
from payer.ledger.backup import Copied, backup, restore
from tasks.workspace.private_state import make_private_state
from tasks.workspace.settings import Settings
from warehouse.cache.store import Cache
from warehouse.load.adopt import adopt_published
from warehouse.load.rebuild import lacking


def backup_ledger(to: Path, environ: Mapping[str, str] | None = None) -> Copied:
    """Copy the configured ledger to a file that does not exist yet."""
    return backup(Settings.read(os.environ if environ is None else environ).ledger_url, to)


@dataclass(frozen=True, slots=True)
class Restored:
    """The result of a restore: `kept` are deliveries that the backup lacks and the cache holds, from its own file or
    from the published one."""

    copied: Copied
    kept: int
    notes: tuple[str, ...]


def restore_ledger(source: Path, environ: Mapping[str, str] | None = None) -> Restored:
    """Fill the configured, empty ledger from a backup. What cache and published files hold besides is kept, so that
    nothing of it is bought again."""
    settings = Settings.read(os.environ if environ is None else environ)
    if settings.ledger_url.startswith("sqlite"):
        make_private_state(settings.home)
    copied = restore(source, settings.ledger_url)
    if not settings.home.exists():
        return Restored(copied, 0, ())
    with Ledger.open(settings.ledger_url) as ledger:
        notes = adopt_published(settings.home, ledger)
        kept = lacking(Cache(settings.home), ledger)
    return Restored(copied, len(kept), notes)
