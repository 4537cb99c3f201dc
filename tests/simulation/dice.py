"""The seed's throws: one stream per kind of fault, so that taking one kind away leaves the others as they were."""

from __future__ import annotations

from random import Random

from tests.simulation.scenario import Scenario


class Dice:
    """Says whether a fault strikes, and counts. Once `calm`, none does any more."""

    def __init__(self, scenario: Scenario) -> None:
        self.calm = False
        self.struck: dict[str, int] = {}
        self._rates = scenario.rates
        self._streams = {name: Random(f"{scenario.seed}/{name}") for name in scenario.rates}

    def hit(self, name: str) -> bool:
        """True when this fault strikes here."""
        rate = self._rates.get(name)
        if rate is None or self.calm or self._streams[name].random() >= rate:
            return False
        self.count(name)
        return True

    def may(self, name: str) -> bool:
        """True when this fault is in the world at all."""
        return name in self._rates

    def count(self, name: str) -> None:
        self.struck[name] = self.struck.get(name, 0) + 1

    def of(self, name: str) -> Random:
        """The stream of a fault that has struck, for its details."""
        return self._streams[name]
