"""The highest price that each machine may sign for: as drift allows from the usual ones, until an operator accepts."""

from __future__ import annotations

from tests.simulation.machine import Machine
from tests.simulation.seller import RAISED, USUAL

DEAREST, DEAREST_RAISED = (price * high // 100 for price, _, high in (USUAL, RAISED))
DRIFT = DEAREST * 125 // 100
"""The dearest usual price and the drift of this world's policy over it; what is raised is above."""


class PriceChecks:
    """Follows, for each ledger, whether a raised price was accepted, or was the first that it ever paid."""

    def __init__(self) -> None:
        self._highest: dict[str, int] = {}

    def accepted(self, machine: Machine, price: int) -> None:
        """An operator makes this price the base."""
        if price > DRIFT:
            self._highest[machine.name] = DEAREST_RAISED

    def highest(self, machine: Machine, price: int) -> int:
        """The limit for a payment of so much. A ledger whose first payment is a raised one has that as its base."""
        return self._highest.setdefault(machine.name, DEAREST_RAISED if price > DRIFT else DRIFT)

    def forget(self, machine: Machine) -> None:
        """Its ledger was replaced, and its bases with it."""
        self._highest.pop(machine.name, None)
