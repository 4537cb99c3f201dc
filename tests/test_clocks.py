"""Tests that say the time they need: what depends on the day or the hour runs under a fixed set of other clocks.

A clock is moved for a whole process and its children by libfaketime, since DuckDB reads it too.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from tests import at_moments
from tests.clocks import run_python
from tests.warehouse.empty_home import shared_empty_home

CLOCKS = {
    "the first of a month, just begun": datetime(2027, 2, 1, 0, 5, tzinfo=UTC),
    "a Sunday that ends a year, a little before midnight": datetime(2028, 12, 31, 23, 58, tzinfo=UTC),
    "29 February, before the grades": datetime(2028, 2, 29, 6, 14, tzinfo=UTC),
}

TIMELY = (
    "tests/warehouse/publish/views/test_quality.py",
    "tests/tasks/request/test_expected.py",
    "tests/tasks/prefect/test_worker.py",
    "tests/sandbox/seller/test_other_sellers.py",
)
"""Suites that read the clock, run within seconds and needs no server of its own."""


@pytest.fixture(scope="module")
def at_each(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The suites' exit code and output at each of the moments."""
    shared_empty_home()  # by the clock of the machine, for all of them
    base, folder = tmp_path_factory.mktemp("base"), tmp_path_factory.mktemp("moments")
    for number, moment in enumerate(CLOCKS.values()):
        (folder / str(number)).write_text(str(moment.timestamp()))
    quiet = ("-q", "-s", "-p", "no:cacheprovider", "-p", at_moments.__name__, "--basetemp", str(base / "again"))
    done = run_python("-m", "pytest", *quiet, *TIMELY, FAKETIME_NO_CACHE="1", **{at_moments.MOMENTS: str(folder)})
    said = {name: (folder / str(number)).read_text() for number, name in enumerate(CLOCKS)}
    assert all("\n" in each for each in said.values()), done.stdout[-8000:] + done.stderr[-2000:]
    return said


@pytest.mark.parametrize("name", CLOCKS)
def test_what_reads_the_clock_passes_at_any_time(name: str, at_each: dict[str, str]) -> None:
    code, said = at_each[name].split("\n", 1)
    assert code == "0", said[-8000:]
    assert " passed" in said


def test_the_clock_that_is_set_is_the_one_that_python_duckdb_and_children_read() -> None:
    """Build libfaketime from its source (pip's --no-binary) where its wheel doesn't fit the machine."""
    program = (
        "import duckdb, subprocess, sys, time;"
        "print(time.time(), duckdb.sql('SELECT epoch(now())').fetchall()[0][0], flush=True);"
        "subprocess.run([sys.executable, '-c', 'import time; print(time.time())'])"
    )
    moment = CLOCKS["29 February, before the grades"]
    done = run_python("-c", program, ahead=moment.timestamp() - time.time())
    told = [float(word) - moment.timestamp() for word in done.stdout.split()]
    assert len(told) == 3, done.stderr
    assert all(-1 <= seconds < 60 for seconds in told), f"libfaketime does not move the clock: {done.stderr}"
