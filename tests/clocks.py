"""A clock of their own for a process and its children, by libfaketime: Python, DuckDB and Prefect all read it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import libfaketime

LIBRARY = Path(libfaketime.__file__).parent / "vendor" / "libfaketime" / "src" / "libfaketime.so.1"


def moved(seconds: float) -> dict[str, str]:
    """Variables for a process whose clock is so far ahead. Sleeping goes by the monotonic clock, which stays."""
    return {
        "LD_PRELOAD": str(LIBRARY),
        "FAKETIME": f"{seconds:+.0f}",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }


@cache
def can_be_moved() -> bool:
    """True where the library moves a clock: its wheel does not fit every machine."""
    command = [sys.executable, "-c", "import time; print(time.time())"]
    env = {**os.environ, **moved(86_400)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode == 0 and float(done.stdout) - time.time() > 80_000
