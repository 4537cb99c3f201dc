"""Starting, killing and reading processes that use a cache."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def start(verb: str, home: Path, *rest: object, crash_at: str | None = None) -> subprocess.Popen[str]:
    """A child at work; its first line is not waited for."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    if crash_at:
        environment["TOLLBOOK_CRASH_AT"] = crash_at
    return subprocess.Popen(
        [sys.executable, "-m", "tests.warehouse.child", verb, str(home), *map(str, rest)],
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
