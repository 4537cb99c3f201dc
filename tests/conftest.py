"""Worlds for tests. `world` is shared by the session and put back in order for each test; buyers keep tests apart.

A module that moves the clock, restarts or reorgs takes `own_world`, which nobody else sees.
"""

from __future__ import annotations

import gc
import itertools
import os
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import blank_file, blank_ledger
from tests.object_storage import s3_server, s3_url
from tests.stores import ledger_url, postgres

if TYPE_CHECKING:
    from sandbox.world import Buyer, World

__all__ = ["ledger_url", "postgres", "s3_server", "s3_url"]

_numbers = itertools.count(1)

WAITING = (
    "tests/flows/test_schedule.py",
    "tests/flows/test_unwatched.py",
    "tests/crash/test_kill_payer.py",
    "tests/cluster/test_cluster.py",
    "tests/cli/test_stopping.py",
    "tests/sandbox/chain/test_contracts.py",
    "tests/cluster/",
    "tests/flows/test_embedded.py",
    "tests/crash/",
)
WORKING = (
    *("tests/warehouse/publish/test_publish.py", "tests/test_oldest_versions.py", "tests/warehouse/lake/test_sync.py"),
    *("tests/simulation/test_seeds.py", "tests/payer/real/test_faults.py", "tests/cli/test_outcomes.py"),
    *("tests/wheel/", "tests/warehouse/publish/views/test_table_parts.py", "tests/test_clocks.py"),
    *("tests/cli/test_restore.py", "tests/warehouse/publish/test_repair.py", "tests/docs/test_readme.py"),
    *("tests/payer/real/test_secrets.py", "tests/cli/test_run_all.py", "tests/warehouse/load/test_load.py"),
    *("tests/warehouse/publish/test_replay.py", "tests/warehouse/snapshots/test_compact.py", "tests/simulation/"),
    *("tests/warehouse/test_", "tests/tollbook/test_read.py", "tests/flows/test_ingest.py", "tests/cli/test_signer.py"),
)


def _begun_first() -> Iterator[str]:
    """The files that take longest: one that waits for minutes, then three that work. Only waiting, the workers would
    leave the cores idle; one that waits last would leave the others nothing to do beside it."""
    working = iter(WORKING)
    for waits in WAITING:
        yield waits
        yield from itertools.islice(working, 3)
    yield from working


LONGEST = tuple(_begun_first())


def begin_clear_of_midnight(seconds: float) -> None:
    """Wait for the next day (UTC) when this one ends within `seconds`: what a run buys once a day, the next day's run
    rightly buys again."""
    _begin_clear_of(86_400, seconds)


def begin_clear_of_the_hour(seconds: float) -> None:
    """The same for what is bought once an hour."""
    _begin_clear_of(3_600, seconds)


def _begin_clear_of(period: int, seconds: float) -> None:
    left = period - time.time() % period
    if left < seconds:
        time.sleep(left + 0.1)


def pytest_runtest_setup() -> None:
    """Begin no test that would see two days; nearly all take less than this."""
    begin_clear_of_midnight(45)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Generator[None, bool | None, bool | None]:
    """Imports and items stay for the whole session: meanwhile the collector would look for what is not there."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest first, the others as they come."""
    items.sort(
        key=lambda item: next((n for n, name in enumerate(LONGEST) if item.nodeid.startswith(name)), len(LONGEST))
    )


def pytest_collection_finish() -> None:
    """Let the collector leave out ten thousand tests and their modules, which stay for the whole session."""
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _blank_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One folder of copies for all workers, and for a run of pytest inside of this one."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    folder = Path(os.environ.get(blank_file.FOLDER) or shared / "blank-files")
    folder.mkdir(exist_ok=True)
    with blank_file.copied(folder):
        yield


@pytest.fixture(scope="session", autouse=True)
def _blank_ledger() -> Iterator[None]:
    with blank_ledger.repeated():
        yield


@pytest.fixture
def made_files() -> Iterator[None]:
    """No published file is begun as a copy."""
    with blank_file.made():
        yield


@pytest.fixture(scope="session")
def session_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One world for all; for fixtures of wider scope than a test."""
    from sandbox.world import World

    with World(tmp_path_factory.mktemp("world")) as world:
        yield world


@pytest.fixture
def world(session_world: World) -> Iterator[World]:
    """The session's world without faults, settings, changed data or visits of earlier tests."""
    session_world.reset()
    began = session_world.clock.offset
    yield session_world
    session_world.reset()
    head = int(session_world.rpc.call("eth_getBlockByNumber", ["latest"])["timestamp"], 16)
    ahead = head - session_world.clock.time()
    if ahead > 1:
        session_world.clock.advance(ahead)
        pytest.fail("this test left the chain ahead of the clock: take own_world for that")
    if session_world.clock.offset != began:
        pytest.fail("this test moved the clock that all share, and time can't run back: take own_world for that")


@pytest.fixture
def buyer(world: World) -> Buyer:
    """A funded wallet with a home of its own, new for each test."""
    return world.buyer(f"test-{next(_numbers)}")


@pytest.fixture(scope="module")
def module_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world of the module's own, started once; the module's tests see each other's traces."""
    from sandbox.world import World

    with World(tmp_path_factory.mktemp("module-world")) as world:
        yield world


@pytest.fixture
def own_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world of the test's own."""
    from sandbox.world import World

    with World(tmp_path_factory.mktemp("own-world")) as world:
        yield world
