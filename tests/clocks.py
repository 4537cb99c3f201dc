"""A clock of their own for a process and its children, by libfaketime: Python, DuckDB and Prefect all read it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import libfaketime

from tests.paths import ROOT

LIBRARY = Path(libfaketime.__file__).parent / "vendor" / "libfaketime" / "src" / "libfaketime.so.1"


def moved(seconds: float) -> dict[str, str]:
    """Variables for a process whose clock is so far ahead. Sleeping goes by the monotonic clock, which stays."""
    return {
        "LD_PRELOAD": str(LIBRARY),
        "FAKETIME": f"{seconds:+.0f}",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }


def run_python(*command: str, ahead: float = 0, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run Python with a clock that is so far ahead, and goes on from there."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    env = {**kept, **moved(ahead), **environ}
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=env, capture_output=True, text=True, timeout=250, check=False
    )


@cache
def can_be_moved() -> bool:
    """True where the library moves a clock: its wheel does not fit every machine."""
    command = [sys.executable, "-c", "import time; print(time.time())"]
    env = {**os.environ, **moved(86_400)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode == 0 and float(done.stdout) - time.time() > 80_000
