"""One worker of a PostgreSQL ledger publishes for all, the next one takes over, and neither writes about money."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import psycopg
import pytest

from payer.ledger import Ledger
from tasks.buy import publish as publishing
from tasks.buy.publish import LeftToPublisher, publish
from tasks.ops.publish import compact
from tasks.workspace.workspace import Workspace
from tests.crash.child import KILLED, run_command
from tests.paths import ROOT
from tests.payer.ledger.workers.election import election
from tests.stores import new_ledger_url
from tests.warehouse.publications import month
from warehouse.publish.publication import Publication
from warehouse.query import query

MONEY = ("events", "purchases", "committed", "runs", "quotes", "payees", "bodies")


class Workers:
    """Homes of one ledger, and deliveries that any of their workers bought."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        self.bought = 0

    def home(self, name: str, *, shared: bool = True) -> Path:
        home = self.folder / name
        (home / "state").mkdir(parents=True, exist_ok=True)
        if shared:
            (self.folder / "shared").mkdir(exist_ok=True)
            if not (home / "published").exists():
                (home / "published").symlink_to(self.folder / "shared")
        return home

    def env(self, home: Path) -> dict[str, str]:
        policy = str(ROOT / "policy.toml")
        return {"TOLLBOOK_HOME": str(home), "TOLLBOOK_POLICY": policy, "TOLLBOOK_LEDGER_URL": self.url}

    def buy(self) -> None:
        with Ledger.open(self.url) as ledger:
            month(ledger, self.bought)
        self.bought += 1

    def publish(self, home: Path, *, stopped: bool = False, here: bool = False) -> Publication | LeftToPublisher:
        async def work() -> Publication | LeftToPublisher:
            async with Workspace.open(self.env(home)) as ws:
                if stopped:
                    ws.stop.request()
                return await publish(ws, take_over=here)

        return asyncio.run(work())

    def turn(self, home: Path, ticket: int) -> Publication | LeftToPublisher | None:
        async def work() -> Publication | LeftToPublisher | None:
            async with Workspace.open(self.env(home)) as ws:
                return await publishing._turn(ws, ticket, take_over=False, verify=False)

        return asyncio.run(work())

    def compact(self, home: Path) -> str:
        async def work() -> str:
            async with Workspace.open(self.env(home)) as ws:
                return await compact(ws)

        return asyncio.run(work())

    def money(self) -> list[list[Any]]:
        with psycopg.connect(self.url) as connection:
            return [connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall() for table in MONEY]

    def shown(self, home: Path) -> tuple[int, int]:
        """Deliveries and rows that readers see."""
        [row] = query(home, "SELECT (SELECT count(*) FROM loads), (SELECT count(*) FROM grades)")[1]
        return int(row[0]), int(row[1])


@pytest.fixture
def workers(request: pytest.FixtureRequest, tmp_path: Path) -> Workers:
    return Workers(tmp_path, new_ledger_url(request, "postgresql", tmp_path))


def test_any_worker_publishes_what_all_of_them_bought_and_says_so_in_the_ledger(workers: Workers) -> None:
    one, other = workers.home("one"), workers.home("other")
    workers.buy()
    assert isinstance(workers.publish(one), Publication)
    workers.buy()
    continued = workers.publish(other)
    assert isinstance(continued, Publication)
    assert (continued.deliveries, continued.note) == (1, None)
    assert workers.shown(one) == workers.shown(other) == (2, 40)
    with Ledger.open(workers.url) as ledger:
        last = ledger.workers.publisher.last()
        assert last.place is not None
        assert last.place.address.endswith(str(workers.folder / "shared"))
        assert (last.ledger_seq, last.waits_for) == (ledger.last_seq(), None)


def test_a_publisher_writes_nothing_about_money(workers: Workers) -> None:
    workers.buy()
    before = workers.money()
    assert isinstance(workers.publish(workers.home("one")), Publication)
    assert workers.money() == before


def test_a_worker_that_is_not_elected_waits_and_says_who_published(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = workers.home("one")
    workers.buy()
    monkeypatch.setattr(publishing, "WAIT_SECONDS", 0.0)
    with Ledger.open(workers.url) as ledger:
        with election(ledger) as elected:
            assert elected is not None
            left = workers.publish(home)
            assert isinstance(left, LeftToPublisher)
            assert left.text.startswith("waits for the publisher: nothing is published yet. What was bought is in the")
        ticket = ledger.workers.publisher.take_ticket()
        assert isinstance(workers.publish(home), Publication)
        shown = workers.turn(home, ticket)
    assert isinstance(shown, LeftToPublisher)
    assert shown.text.startswith("published by ")
    assert shown.document()["shown"] is True


def test_a_stopped_run_waits_for_no_publisher(workers: Workers) -> None:
    with Ledger.open(workers.url) as ledger, election(ledger):
        assert isinstance(workers.publish(workers.home("one"), stopped=True), LeftToPublisher)


def test_a_home_elsewhere_leaves_the_set_where_it_is_until_nobody_there_publishes(workers: Workers) -> None:
    """Two homes that share no folder: a misconfiguration, or the move to another machine."""
    one, other = workers.home("one", shared=False), workers.home("other", shared=False)
    workers.buy()
    workers.publish(one)
    left = workers.publish(other)
    assert isinstance(left, LeftToPublisher)
    assert f"{one}/published" in left.text
    assert not (other / "published" / "warehouse.duckdb").exists()
    with psycopg.connect(workers.url) as connection:
        connection.execute("UPDATE publications SET wanted_at = wanted_at - 900000000")
    moved = workers.publish(other)
    assert isinstance(moved, Publication)
    assert moved.note is not None
    assert f"moved from {left.last.place.address if left.last.place else ''} to" in moved.note
    assert workers.shown(other) == (1, 20)
    back = workers.publish(one, here=True)
    assert isinstance(back, Publication)


@pytest.mark.parametrize(
    "point",
    ["publisher.elected", "load.after_commit", "publisher.published", "publisher.recorded"],
)
def test_a_publisher_that_is_killed_is_replaced_and_nothing_is_missing_or_twice(workers: Workers, point: str) -> None:
    one, other = workers.home("one"), workers.home("other")
    workers.buy()
    before = workers.money()
    assert run_command(workers.env(one), "publish", crash_at=point) == KILLED
    done = workers.publish(other)
    assert isinstance(done, Publication)
    assert workers.shown(one) == (1, 20)
    assert workers.money() == before
    with Ledger.open(workers.url) as ledger:
        assert ledger.workers.publisher.last().waits_for is None


def test_files_are_compacted_by_a_worker_at_the_published_set_while_none_publishes(workers: Workers) -> None:
    one, other = workers.home("one", shared=False), workers.home("other", shared=False)
    workers.buy()
    workers.publish(one)
    assert "left to the publisher" in workers.compact(other)
    with Ledger.open(workers.url) as ledger, election(ledger):
        assert f"left to the publisher ({ledger.workers.publisher.last().place.address}" in workers.compact(one)  # type: ignore[union-attr]
    assert "months rewritten" in workers.compact(one)
