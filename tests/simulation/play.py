"""Playing seeds: one world each, with the payer's crash points in the simulator's hands."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from payer.buy import buy as buyer
from tests.simulation.failure import Broken
from tests.simulation.machine import crash_hook
from tests.simulation.scenario import Scenario
from tests.simulation.world import World


@dataclass
class Outcome:
    """One seed's world, played. `broken` None: every invariant held."""

    scenario: Scenario
    purchases: int
    transfers: int
    checks: int
    turns: int
    seconds: float
    struck: dict[str, int] = field(default_factory=dict)
    broken: Broken | None = None


@contextmanager
def crash_points() -> Iterator[None]:
    """The payer's named crash points ask the simulator; what nobody foresaw ends the world."""
    payer = [module for name, module in sys.modules.items() if name.startswith("payer")]
    told, buyer.unforeseen = buyer.unforeseen, lambda _, error: error
    modules: list[Any] = [module for module in payer if hasattr(module, "crash_point")]
    kept = [module.crash_point for module in modules]
    for module in modules:
        module.crash_point = crash_hook
    try:
        yield
    finally:
        buyer.unforeseen = told
        for module, hook in zip(modules, kept, strict=True):
            module.crash_point = hook


def play(scenario: Scenario) -> Outcome:
    """Play one world to its end, or to the first broken invariant."""
    started = time.process_time()
    broken = None
    with crash_points():
        world = World(scenario)
        try:
            world.run()
        except Broken as why:
            broken = why
        except Exception as error:  # noqa: BLE001  # whatever it is, the seed must be told
            broken = Broken("simulator", f"{type(error).__name__}: {error}", world.tail())
    for machine in world.machines:
        machine.store.connection.witness = None
    return Outcome(
        scenario=scenario,
        purchases=sum(machine.store.peek("SELECT COUNT(*) FROM purchases")[0][0] for machine in world.machines),
        transfers=len(world.chain.transfers()),
        checks=world.checks.made,
        turns=world.loop.turns,
        seconds=time.process_time() - started,
        struck=world.dice.struck,
        broken=broken,
    )
