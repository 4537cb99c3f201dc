"""A home that has been loaded and published with nothing bought. All workers of a run start from one: to make it takes
longer than most tests."""

from __future__ import annotations

import os
from pathlib import Path

from filelock import FileLock

from tests import blank_file
from tests.warehouse.purchases import open_ledger
from warehouse.cache.store import Cache
from warehouse.load.self_repair import load
from warehouse.publish.publish import publish


def shared_empty_home() -> Path:
    """The home in the folder of what the workers share. Nobody writes to it."""
    home = Path(os.environ[blank_file.FOLDER]) / "empty-home"
    with FileLock(f"{home}.lock"):
        if not home.exists():
            draft = home.with_suffix(f".{os.getpid()}")
            with blank_file.made(), open_ledger(draft) as opened:
                load(Cache(draft), opened)
                publish(draft, opened)
            draft.rename(home)
    return home
