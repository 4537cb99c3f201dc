"""Killed at any moment, not only at named points, or out of disk: nothing is lost, and all is readable at once
(I4, I7, I8)."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

from payer.ledger import Ledger
from tests.scale import SCALE
from tests.warehouse.killed_verbs import Worker
from tests.warehouse.purchases import buy_day, open_ledger
from warehouse.audit import check_snapshots
from warehouse.query import query
from warehouse.snapshots.manifest import read_manifest

KILLS = SCALE
VERBS = ("load", "publish", "compact", "rebuild")
SEED = int(os.environ.get("TOLLBOOK_KILLS_SEED", "7"))


def killed(worker: Worker, home: Path, ledger: Ledger, verb: str, numbers: range) -> int:
    """Kill the verb once per number, each time with something new to do; the published file is read after each."""
    dice, times, shown = random.Random(f"{SEED} {verb}"), 0, 0
    buy_day(ledger, numbers[0])
    started = time.monotonic()
    assert worker.run(verb) == 0
    whole = time.monotonic() - started
    for number in numbers[1:]:
        buy_day(ledger, number)
        if verb != "load":
            assert worker.run("load") == 0
        if verb == "compact":
            assert worker.run("publish") == 0
        times += worker.run(verb, dice.uniform(0, whole)) == -signal.SIGKILL
        [(rows,)] = query(home, "SELECT count(*) FROM grades_observations")[1]
        assert rows >= shown
        shown = rows
    return times


def test_kills_at_random_times_lose_nothing_and_leave_all_readable(tmp_path: Path) -> None:
    """SCALE is how many of each verb; those that ended before their kill came are told apart."""
    told: dict[str, int] = {}
    with open_ledger(tmp_path) as ledger, Worker(tmp_path) as worker:
        buy_day(ledger, 0)
        assert (worker.run("load"), worker.run("publish")) == (0, 0)
        for turn, verb in enumerate(VERBS):
            first = 1 + turn * (KILLS + 1)
            told[verb] = killed(worker, tmp_path, ledger, verb, range(first, first + KILLS + 1))
        print(f"of {KILLS} each were killed in their midst: {told}, seed {SEED}")
        assert (worker.run("load"), worker.run("publish"), worker.run("compact")) == (0, 0, 0)
        bought = len(list(ledger.cost_rows()))
    root = tmp_path / "published" / "snapshots"
    loads = query(tmp_path, "SELECT count(*), sum(rows_new + rows_changed)::BIGINT FROM loads")[1]
    [(observations,)] = query(tmp_path, "SELECT count(*) FROM grades_observations")[1]
    assert loads == [(bought, observations)]
    assert sum(file.rows for file in read_manifest(root).files) == observations
    assert check_snapshots(root) == []


def test_a_full_disk_stops_each_verb_with_its_name_and_loses_nothing(tmp_path: Path) -> None:
    """Exit 6, not 4: no money is in doubt. What was published stays, and the next run brings up the rest."""
    with open_ledger(tmp_path) as ledger, Worker(tmp_path) as worker:
        for number in range(2):
            buy_day(ledger, number)
            assert (worker.run("load"), worker.run("publish")) == (0, 0)
        before = query(tmp_path, "SELECT count(*) FROM grades_observations")[1]
        buy_day(ledger, 2)
        assert worker.run("load") == 0
        for verb, most in (("publish", 1 << 10), ("publish", 1 << 16), ("compact", 1 << 10), ("rebuild", 1 << 16)):
            assert (verb, most, worker.run(f"{verb} {most}")) == (verb, most, 6)
            assert query(tmp_path, "SELECT count(*) FROM grades_observations")[1] == before
        assert [worker.run(verb) for verb in ("rebuild", "publish", "compact")] == [0, 0, 0]
    assert query(tmp_path, "SELECT count(*), (SELECT count(*) FROM loads) FROM grades_observations")[1] == [(6, 3)]
    assert check_snapshots(tmp_path / "published" / "snapshots") == []
