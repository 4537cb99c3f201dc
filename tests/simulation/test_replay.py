"""A seed is a world: played again, anywhere, it is the same to the last step; and what `make sim` says of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests.simulation.many import main
from tests.simulation.scenario import from_seed
from tests.simulation.world import World

SEED = 203
TELL = "from tests.simulation.test_replay import SEED, story; print(story(SEED))"
LAST_LINE = re.compile(
    r"sim: (\d+) seeds \(301 to (\d+)\), (\d+) purchases, (\d+) purchases per second of one core, \d+ transfers, "
    r"\d+ faults of \d+ kinds, \d+ checks, 0 failures"
)


def story(seed: int) -> str:
    """Sum up a world's course, in few words that any difference changes."""
    from tests.simulation.play import crash_points

    with crash_points():
        world = World(from_seed(seed))
        world.run()
    return f"{world.loop.turns} {world.traced} {sorted(world.dice.struck.items())} {world.checks.made} {world.tail()}"


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_a_seed_is_the_same_world_in_another_process(hash_seed: str) -> None:
    """Whatever ran before, and however Python orders its sets."""
    elsewhere = subprocess.run(
        [sys.executable, "-c", TELL],
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join([os.getcwd(), *sys.path])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert elsewhere.stdout.strip() == story(SEED)


def test_the_last_line_sums_up(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-n", "20", "--seed", "301", "--processes", "1"]) == 0
    found = LAST_LINE.fullmatch(capsys.readouterr().out.splitlines()[-1])
    assert found is not None
    seeds, last, purchases, _ = map(int, found.groups())
    assert last == 301 + seeds - 1
    assert purchases >= 20


def test_one_purchase_asked_for_is_the_one_world_of_the_seed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-n", "1", "--seed", "383"]) == 0
    assert "sim: 1 seeds (383 to 383)" in capsys.readouterr().out


@pytest.mark.parametrize("wrong", [["--world", "size=4"], ["--faults", "earthquake"]])
def test_an_unknown_word_is_refused(wrong: list[str]) -> None:
    with pytest.raises(ValueError, match=r"there is no fault|a world has no"):
        main(["-n", "1", *wrong])
