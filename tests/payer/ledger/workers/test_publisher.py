"""One worker at a time is elected to publish; tickets say what its publication shows."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from payer.ledger import Ledger
from payer.ledger.workers import PublishedPlace
from payer.values.errors import LedgerUnavailable
from tests.payer.ledger.workers.election import election
from tests.stores import new_ledger_url

HERE = PublishedPlace("a", "one:/published")

_HOLD = """
import sys, time
from payer.ledger import Ledger
with Ledger.open(sys.argv[1]) as ledger:
    elected = ledger.workers.publisher.try_elect()
    print(elected is not None, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return new_ledger_url(request, "postgresql", tmp_path)


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    with Ledger.open(url) as opened:
        yield opened


def test_one_worker_is_elected_and_the_next_when_it_has_ended(ledger: Ledger, url: str) -> None:
    with Ledger.open(url) as other:
        with election(ledger) as first, election(other) as second:
            assert first is not None
            assert second is None
        with election(other) as second:
            assert second is not None


def test_a_publisher_that_is_killed_frees_the_lock(ledger: Ledger, url: str) -> None:
    with subprocess.Popen([sys.executable, "-c", _HOLD, url], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "True\n"
        with election(ledger) as refused:
            assert refused is None
        child.send_signal(signal.SIGKILL)
    for _ in range(100):
        with election(ledger) as elected:
            if elected is not None:
                return
    pytest.fail("the lock was not freed")


def test_a_publication_shows_the_tickets_that_were_taken_before_it_began(ledger: Ledger) -> None:
    publisher = ledger.workers.publisher
    assert publisher.last().shown == 0
    assert publisher.last().waits_for is None
    early = publisher.take_ticket()
    with election(ledger) as elected:
        assert elected is not None
        shown = elected.newest_ticket()
        late = publisher.take_ticket()
        elected.record(shown, HERE, 7)
    last = publisher.last()
    assert early <= last.shown < late
    assert (last.place, last.ledger_seq) == (HERE, 7)
    assert last.host
    assert last.published_at
    assert last.waits_for is not None


def test_a_publication_of_a_ledger_without_tickets_is_recorded_too(ledger: Ledger) -> None:
    with election(ledger) as elected:
        assert elected is not None
        elected.record(elected.newest_ticket(), HERE, 0)
    assert ledger.workers.publisher.last().place == HERE
    assert ledger.workers.publisher.last().waits_for is None


def test_the_oldest_request_counts_as_long_as_it_waits(ledger: Ledger, url: str) -> None:
    publisher = ledger.workers.publisher
    publisher.take_ticket()
    with psycopg.connect(url) as beside:
        beside.execute("UPDATE publications SET wanted_at = wanted_at - 100000000")
    publisher.take_ticket()
    assert 100 <= (publisher.last().waits_for or 0) < 160


def test_a_publisher_that_lost_its_session_writes_nothing(ledger: Ledger, url: str) -> None:
    publisher = ledger.workers.publisher
    with election(ledger) as elected:
        assert elected is not None
        with psycopg.connect(url, autocommit=True) as beside:
            beside.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4 "
                "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
        with pytest.raises(LedgerUnavailable):
            elected.record(1, HERE, 1)
    assert publisher.last().host is None
