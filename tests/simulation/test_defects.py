"""A check that can't fail is none: deliberate defects of the payer are found within a few seeds."""

from __future__ import annotations

import pytest

from tests.simulation.defects import DEFECTS
from tests.simulation.play import Outcome, play
from tests.simulation.scenario import Scenario, from_seed, narrowed
from tests.simulation.shrink import shrink

SEEDS = 60


def world(name: str, seed: int) -> Scenario:
    defect = DEFECTS[name]
    return narrowed(from_seed(seed), ("pieces=24", "planned=False", *defect.world), defect.faults)


def first_found(name: str) -> Outcome:
    """The first world in which the checks notice."""
    first = DEFECTS[name].seed
    for seed in range(first, first + SEEDS):
        outcome = play(world(name, seed))
        if outcome.broken is not None:
            return outcome
    pytest.fail(f"{SEEDS} seeds did not notice: {name.replace('_', ' ')}")


@pytest.mark.parametrize("name", DEFECTS)
def test_a_deliberate_defect_is_found_within_a_few_seeds(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a rule that names what it broke."""
    DEFECTS[name].apply(monkeypatch)
    broken = first_found(name).broken
    assert broken is not None
    assert broken.rule in DEFECTS[name].breaks, str(broken)


def test_a_failing_world_shrinks_and_fails_again_by_the_line_it_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    DEFECTS["a_402_frees_the_money"].apply(monkeypatch)
    found = first_found("a_402_frees_the_money")
    small = shrink(found)
    assert small.scenario.pieces <= 2 < found.scenario.pieces
    assert len(small.scenario.rates) == 1
    words = small.scenario.arguments().split()
    faults = words[words.index("--faults") + 1]
    shape = [word for word in words if "=" in word]
    again = play(narrowed(from_seed(small.scenario.seed), shape, faults))
    assert again.broken is not None
    assert small.broken is not None
    assert (again.broken.rule, again.broken.trace) == (small.broken.rule, small.broken.trace)
