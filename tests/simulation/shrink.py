"""Making a failing world smaller: fewer faults, fewer pieces, fewer actors, as long as the same rule still breaks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tests.simulation.play import Outcome, play
from tests.simulation.scenario import Scenario

TRIES = 200
OFTEN = (0.5, 1.0)


def shrink(found: Outcome) -> Outcome:
    """The smallest failing world that is found in a bounded number of tries. It replays as the first one did."""
    tries = 0
    smaller = True
    while smaller and tries < TRIES:
        smaller = False
        for candidate in _smaller(found.scenario):
            tries += 1
            outcome = play(candidate)
            if _same(outcome, found):
                found, smaller = outcome, True
                break
            if tries >= TRIES:
                break
    return found


def _same(outcome: Outcome, found: Outcome) -> bool:
    return outcome.broken is not None and found.broken is not None and outcome.broken.rule == found.broken.rule


def _smaller(scenario: Scenario) -> Iterator[Scenario]:
    """Each one step simpler, boldest first. Where few things happen, the faults that are left strike more often."""
    for pieces in sorted({1, 2, 4, scenario.pieces // 2, scenario.pieces - 1}):
        if 0 < pieces < scenario.pieces:
            fewer = replace(scenario, pieces=pieces)
            yield fewer
            yield from (replace(fewer, rates=dict.fromkeys(scenario.rates, often)) for often in OFTEN)
    yield from (scenario.without(fault) for fault in scenario.rates)
    if scenario.machines > 1:
        yield replace(scenario, machines=scenario.machines - 1)
    if scenario.slots > 1:
        yield replace(scenario, slots=scenario.slots - 1)
    if scenario.jobs > 1:
        yield replace(scenario, jobs=scenario.jobs - 1)
    for flag in ("tight", "planned", "rpc"):
        if getattr(scenario, flag):
            yield replace(scenario, **{flag: False})
