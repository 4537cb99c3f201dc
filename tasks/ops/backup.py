"""Back up the ledger to a file, and restore it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from payer.ledger.backup import Copied, backup, restore
from tasks.workspace.private_state import make_private_state
from tasks.workspace.settings import Settings


def backup_ledger(to: Path, environ: Mapping[str, str] | None = None) -> Copied:
    """Copy the configured ledger to a file that does not exist yet."""
    return backup(Settings.read(os.environ if environ is None else environ).ledger_url, to)


def restore_ledger(source: Path, environ: Mapping[str, str] | None = None) -> Copied:
    """Fill the configured, empty ledger from a backup."""
    settings = Settings.read(os.environ if environ is None else environ)
    if settings.ledger_url.startswith("sqlite"):
        make_private_state(settings.home)
    return restore(source, settings.ledger_url)
