"""The empty database of a Prefect server: its migrations are run once a test run, then the file is copied."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Mapping
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock

from tests import blank_file


def begin_with_one(home: Path, env: Mapping[str, str]) -> None:
    """Put a migrated database into a Prefect home that has none; where nothing is shared, the server makes its own."""
    shared = os.environ.get(blank_file.FOLDER)
    if shared is None or (home / "prefect.db").exists():
        return
    blank = Path(shared) / f"prefect-{version('prefect')}"
    blank.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{blank}.lock"):
        if not blank.exists():
            _migrate(blank.with_name(f"{blank.name}.{os.getpid()}"), env).replace(blank)
    home.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(blank, home / "prefect.db")


def _migrate(home: Path, env: Mapping[str, str]) -> Path:
    """Run the migrations in a home of their own; its database, one file."""
    command = ["prefect", "server", "database", "upgrade", "--yes"]
    subprocess.run(command, env={**env, "PREFECT_HOME": str(home)}, capture_output=True, check=True, timeout=250)
    with closing(sqlite3.connect(home / "prefect.db")) as con:
        con.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return home / "prefect.db"
