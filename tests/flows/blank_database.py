"""The empty database of a Prefect server: the migrations of a version are run once, then the file is copied.

They take longer than the server's start. `make clean` forgets the file.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Mapping
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock

from tests import blank_file
from tests.paths import ROOT


def begin_with_one(home: Path, env: Mapping[str, str]) -> None:
    """Put a migrated database into a Prefect home that has none; where nothing is shared, the server makes its own."""
    if blank_file.FOLDER not in os.environ or (home / "prefect.db").exists():
        return
    blank = ROOT / ".cache" / "tests" / f"prefect-{version('prefect')}.db"
    blank.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{blank}.lock"):
        if not blank.exists():
            with TemporaryDirectory(dir=blank.parent) as made:
                _migrate(Path(made), env).replace(blank)
    home.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(blank, home / "prefect.db")


def _migrate(home: Path, env: Mapping[str, str]) -> Path:
    """Run the migrations in a home of their own; its database, one file."""
    command = ["prefect", "server", "database", "upgrade", "--yes"]
    subprocess.run(command, env={**env, "PREFECT_HOME": str(home)}, capture_output=True, check=True, timeout=250)
    with closing(sqlite3.connect(home / "prefect.db")) as con:
        con.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return home / "prefect.db"
