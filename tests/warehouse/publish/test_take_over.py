"""Homes that share a ledger and a published folder continue each other's set: nothing is lost or written twice."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from payer.ledger import Ledger
from tests.scale import SCALE
from tests.warehouse.publications import month
from tests.warehouse.publish.test_replay import agrees, observe, parquet
from tests.warehouse.purchases import open_ledger
from warehouse.cache.generation import CacheVersion
from warehouse.cache.store import Cache
from warehouse.load.self_repair import load
from warehouse.publish.publication import Publication
from warehouse.publish.publish import publish
from warehouse.publish.views.table_parts import lake_mark
from warehouse.query import query
from warehouse.snapshots.manifest import read_manifest

SHOWN = (
    "SELECT * FROM grades ORDER BY ALL",
    "SELECT * FROM grades_versions ORDER BY ALL",
    "SELECT * FROM loads ORDER BY ALL",
    "SELECT * FROM ledger_costs ORDER BY ALL",
    "SELECT * FROM drift ORDER BY ALL",
)


@pytest.fixture
def homes(tmp_path: Path) -> tuple[Path, Path]:
    """Two homes whose `published` is one folder, as on a shared disk, from which a lake is written."""
    one, other = tmp_path / "one", tmp_path / "other"
    for home in (one, other):
        (home / "state").mkdir(parents=True)
    mark = lake_mark(one / "published")
    mark.parent.mkdir(parents=True)
    mark.touch()
    (other / "published").symlink_to(one / "published")
    return one, other


def turn(home: Path, ledger: Ledger) -> Publication:
    """Do the work of a home's elected worker."""
    load(Cache(home), ledger)
    return publish(home, ledger, take_over=True)


def shown(home: Path) -> list[list[tuple[Any, ...]]]:
    return [query(home, sql)[1] for sql in SHOWN]


def afresh(folder: Path, ledger: Ledger) -> Path:
    """A home that loads and publishes everything at once."""
    (folder / "state").mkdir(parents=True)
    turn(folder, ledger)
    return folder


def test_another_home_adds_what_is_new_and_leaves_every_file_as_it_is(homes: tuple[Path, Path], tmp_path: Path) -> None:
    one, other = homes
    with open_ledger(one) as ledger:
        for number in range(3):
            month(ledger, number)
        first = turn(one, ledger)
        before = {file.content for file in read_manifest(one / "published" / "snapshots").files}
        month(ledger, 3)
        second = turn(other, ledger)
        after = {file.content for file in read_manifest(one / "published" / "snapshots").files}
        assert (first.deliveries, second.deliveries) == (3, 1)
        assert before < after
        assert len(after - before) == second.snapshot_files
        assert turn(one, ledger).changed is False
        assert shown(one) == shown(afresh(tmp_path / "fresh", ledger))
        agrees(one)


@pytest.mark.parametrize("seed", range(SCALE))
def test_homes_in_turn_publish_what_one_home_would_have(homes: tuple[Path, Path], tmp_path: Path, seed: int) -> None:
    """Deliveries arrive out of order; each home loads them in other batches, and so replays others of them."""
    dice, hours = random.Random(seed), list(range(7))
    dice.shuffle(hours)
    with open_ledger(homes[0]) as ledger:
        for number, hour in enumerate(hours):
            observe(ledger, hour, float(dice.choice([50, 51])), number)
            if dice.random() < 0.3:
                load(Cache(dice.choice(homes)), ledger)
            if dice.random() < 0.6:
                turn(dice.choice(homes), ledger)
        turn(dice.choice(homes), ledger)
        fresh = afresh(tmp_path / "fresh", ledger)
        assert shown(homes[1]) == shown(fresh)
        assert parquet(homes[0], "*") == parquet(fresh, "*")
        agrees(homes[0])


def test_without_taking_over_another_cache_writes_everything_again(homes: tuple[Path, Path]) -> None:
    """As after `tollbook rebuild`: what a damaged cache published is replaced."""
    one, other = homes
    with open_ledger(one) as ledger:
        for number in range(2):
            month(ledger, number)
        turn(one, ledger)
        month(ledger, 2)
        load(Cache(other), ledger)
        assert publish(other, ledger).deliveries == 3


def test_a_home_that_lacks_what_was_published_takes_nothing_over(homes: tuple[Path, Path]) -> None:
    """It loads that first; rows that its ledger lacks, too, are adopted before."""
    one, other = homes
    with open_ledger(one) as ledger:
        month(ledger, 0)
        turn(one, ledger)
        turn(other, ledger)
        month(ledger, 1)
        turn(one, ledger)
        month(ledger, 2)
        assert publish(other, ledger, take_over=True).changed is True
        assert turn(other, ledger).changed is True
        assert query(one, "SELECT count(*) FROM loads")[1] == [(3,)]


@pytest.mark.parametrize(
    ("build", "continued"),
    [("b-1", True), ("b-2", False), ("a-1", False), ("b", False), (None, False)],
    ids=["another file", "read otherwise", "the same file", "an earlier tollbook's", "none"],
)
def test_only_a_cache_that_reads_bodies_to_the_same_rows_continues_another(build: str | None, continued: bool) -> None:
    assert CacheVersion("a-1", 0).continues(build) is continued
