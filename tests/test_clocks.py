"""Tests that say the time they need: what depends on the day or the hour runs under a fixed set of other clocks.

A clock is moved for a whole process and its children by libfaketime, since DuckDB reads it too.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.clocks import moved
from tests.paths import ROOT

CLOCKS = {
    "the first of a month, just begun": datetime(2027, 2, 1, 0, 5, tzinfo=UTC),
    "the last of a year, a little before midnight": datetime(2026, 12, 31, 23, 58, tzinfo=UTC),
    "29 February, before the grades": datetime(2028, 2, 29, 6, 14, tzinfo=UTC),
    "a Sunday that ends a month": datetime(2027, 1, 31, 12, tzinfo=UTC),
}

TIMELY = (
    "tests/warehouse/publish/views/test_quality.py",
    "tests/tasks/request/test_expected.py",
    "tests/tasks/prefect/test_worker.py",
    "tests/sandbox/seller/test_other_sellers.py",
)
"""Suites that read the clock, run within seconds and needs no server of its own."""


def at(moment: datetime, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command whose clock says so, and goes on from there."""
    ahead = moment.timestamp() - time.time()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, env={**kept, **moved(ahead)}, capture_output=True, text=True, timeout=250
    )


@pytest.mark.parametrize("moment", CLOCKS.values(), ids=list(CLOCKS))
def test_what_reads_the_clock_passes_at_any_time(moment: datetime, tmp_path: Path) -> None:
    quiet = ("-q", "-p", "no:cacheprovider", "--basetemp", str(tmp_path / "base"))
    done = at(moment, "-m", "pytest", *quiet, *TIMELY)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]


def test_the_clock_that_is_set_is_the_one_that_python_duckdb_and_children_read() -> None:
    """Build libfaketime from its source (pip's --no-binary) where its wheel doesn't fit the machine."""
    program = (
        "import duckdb, subprocess, sys, time;"
        "print(time.time(), duckdb.sql('SELECT epoch(now())').fetchall()[0][0], flush=True);"
        "subprocess.run([sys.executable, '-c', 'import time; print(time.time())'])"
    )
    moment = CLOCKS["29 February, before the grades"]
    done = at(moment, "-c", program)
    told = [float(word) - moment.timestamp() for word in done.stdout.split()]
    assert len(told) == 3, done.stderr
    assert all(-1 <= seconds < 60 for seconds in told), f"libfaketime does not move the clock: {done.stderr}"
