"""Start child processes that use a cache, and read what they print."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.paths import ROOT

__all__ = ["ROOT", "line", "run", "start"]


def start(verb: str, home: Path, *rest: object, crash_at: str | None = None) -> subprocess.Popen[str]:
    """Start a command of `child_commands` without waiting for its first line."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    if crash_at:
        environment["TOLLBOOK_CRASH_AT"] = crash_at
    return subprocess.Popen(
        [sys.executable, "-m", "tests.warehouse.child_commands", verb, str(home), *map(str, rest)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )


def run(verb: str, home: Path, *rest: object, crash_at: str | None = None) -> tuple[int, str]:
    """Exit code and what it printed."""
    with start(verb, home, *rest, crash_at=crash_at) as child:
        out, _ = child.communicate(timeout=120)
        return child.returncode, out


def line(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()
