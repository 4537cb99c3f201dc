"""A seller's requests_per_minute holds for all workers of a PostgreSQL ledger together."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from payer.ledger import Ledger
from tests.stores import new_ledger_url

LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)

_TAKE_TEN = """
import sys, time
from payer.ledger import Ledger
with Ledger.open(sys.argv[1]) as ledger:
    pace, taken = ledger.workers.pace("s", 1200), 0
    while taken < 10:
        left = pace.take_now()
        time.sleep(left)
        taken += not left
        if not left:
            print(time.time())
"""


@pytest.fixture
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return new_ledger_url(request, "postgresql", tmp_path)


def test_two_processes_with_homes_of_their_own_keep_one_pace(url: str) -> None:
    """20 requests at 1200 a minute take 19 gaps, whoever sends them; each by itself would take nine."""
    Ledger.open(url).close()
    command = [sys.executable, "-c", _TAKE_TEN, url]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    times = sorted(float(line) for child in children for line in child.communicate(timeout=60)[0].splitlines())
    assert len(times) == 20
    # Each is told of its slot by the server, which takes a moment that differs.
    assert times[-1] - times[0] >= 17 * 0.05


def test_the_clock_of_a_worker_says_nothing(url: str) -> None:
    with Ledger.open(url) as ledger:
        pace = ledger.workers.pace("s", 60)
        assert asyncio.run(pace.take(LONG_AGO)) == 0.0
        assert 0.5 < asyncio.run(pace.take(datetime.now(UTC) + timedelta(days=9))) <= 1.0
        assert asyncio.run(ledger.workers.pace("another", 60).take(LONG_AGO)) == 0.0


def test_a_pause_that_one_worker_was_told_of_holds_the_others_up(url: str) -> None:
    with Ledger.open(url) as here, Ledger.open(url) as there:
        asyncio.run(here.workers.pace("s", 1200).hold(LONG_AGO + timedelta(seconds=20), LONG_AGO))
        assert 19 < there.workers.pace("s", 1200).take_now() <= 20


def test_a_slot_further_off_than_any_pause_is_of_a_clock_that_was_set_back(url: str) -> None:
    with Ledger.open(url) as ledger:
        pace = ledger.workers.pace("s", 60)
        pace.hold_for(3600)
        assert pace.take_now() == 0.0


def test_a_rate_slower_than_any_pause_is_kept(url: str) -> None:
    """At one request in two minutes the next slot is further off than the longest pause."""
    with Ledger.open(url) as ledger:
        pace = ledger.workers.pace("s", 1)
        assert pace.take_now() == 0.0
        assert 59 < pace.take_now() <= 60


def test_a_sqlite_ledger_leaves_the_pace_to_its_home(tmp_path: Path) -> None:
    with Ledger.open(f"sqlite:///{tmp_path}/ledger.db") as ledger:
        assert ledger.workers.paces(tmp_path / "paces") == tmp_path / "paces"
        assert not ledger.workers.share
