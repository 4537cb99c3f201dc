"""The demand: pieces of a fixed list, or what the real planner finds missing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from random import Random
from typing import TYPE_CHECKING

from payer.ledger import Ledger
from payer.values.identifiers import purchase_key
from payer.values.purchase import Data
from payer.values.request import Order, Request
from sources.model import Dataset
from sources.planner.held import HeldCells, merged
from sources.planner.pieces import Piece, group_of
from sources.planner.plan import plan
from sources.registry import dataset
from sources.slots import slot
from tests.simulation import terms
from tests.simulation.machine import Machine

if TYPE_CHECKING:
    from tests.simulation.world import World

HISTORY = "tm-grade-history"
FREE_IN = 8
DAYS = 60
OVERLAPPING_KEYS = 4

Part = tuple[list[str], int, int]
"""Keys, and days back from the newest: the first and the last of a range."""


@cache
def piece_number(number: int, free: bool) -> Order:
    """The same few hundred pieces in every world; where some are free, one in eight."""
    name, url = ("tokens", terms.FREE_URL) if free else ("tm-grade", f"{terms.BASE_URL}/tm-grade")
    return Order(Request("GET", url, (("token_id", str(3000 + number)),)), "final", "s", name, free=free)


class Demand:
    """The pieces of one world."""

    def __init__(self, world: World) -> None:
        self._scenario = world.scenario
        self._chance = Random(f"{world.scenario.seed}/demand")
        self._at = datetime.fromtimestamp(world.epoch, UTC)
        free = world.scenario.free
        self._fixed = [piece_number(n, free and n % FREE_IN == 0) for n in range(world.scenario.pieces)]
        self._keyed = [(purchase_key(order.request, order.edition), order) for order in self._fixed]
        most = OVERLAPPING_KEYS if world.scenario.overlapping else world.scenario.pieces // 2
        self._keys = [str(3000 + number) for number in range(max(2, most))]

    def all(self, machine: Machine) -> list[Order]:
        """Everything wanted, whether it is held or not (a planned world: what the planner finds missing)."""
        return self._planned(machine.store.open()) if self._scenario.plans else self._fixed

    def missing(self, machine: Machine) -> list[Order]:
        """Everything wanted and not delivered, or as a body whose loss was accepted, as a planner would find it."""
        if self._scenario.plans:
            return self._planned(machine.store.open())
        if "spoil" in self._scenario.rates:
            rows = machine.store.peek("SELECT purchase_key, doc FROM purchases WHERE data = 'delivered'")
            held = {key for key, doc in rows if b'"loss_accepted":true' not in doc}
        else:
            held = {key for (key,) in machine.store.peek("SELECT purchase_key FROM purchases WHERE data = 'delivered'")}
        return [order for key, order in self._keyed if key not in held]

    def some(self, machine: Machine) -> list[Order]:
        """Choose what one run asks for; now and then things that are held already."""
        again = self._chance.random() < 0.1
        wanted = list(self.all(machine) if again else self.missing(machine))
        if not wanted or (self._scenario.planned and not self._scenario.tight):
            return wanted
        self._chance.shuffle(wanted)
        most = max(1, len(wanted) // 4) if self._scenario.tight else len(wanted)
        return wanted[: self._chance.randint(1, most)]

    def part(self) -> Part:
        """Choose some keys and a range of the two months."""
        first, last = sorted((self._chance.randint(0, DAYS - 1), self._chance.randint(0, DAYS - 1)))
        keys = sorted(self._chance.sample(self._keys, self._chance.randint(1, len(self._keys))))
        return keys, last, first

    def of_part(self, machine: Machine, part: Part) -> list[Order]:
        """Compute the part that is missing now."""
        return self._planned(machine.store.open(), part)

    def _planned(self, ledger: Ledger, part: Part | None = None) -> list[Order]:
        """The real planner's requests for two months of history, or a part of it, less what was delivered."""
        history = dataset(HISTORY)
        keys, earliest, latest = part or (self._keys, DAYS - 1, 0)
        last = slot(history, self._at) - 2
        held = HeldCells(self._held(ledger))
        found = plan(
            history,
            keys,
            last - earliest,
            last - latest,
            held,
            self._at,
            self._at + timedelta(minutes=1),
        )
        return [self._order(history, piece) for piece in (*found.pieces, *found.later)]

    def _held(self, ledger: Ledger) -> dict[str, tuple[tuple[int, int], ...]]:
        spans: dict[str, list[tuple[int, int]]] = {}
        for purchase in ledger.purchases():
            if purchase.data is Data.DELIVERED or purchase.undelivered:
                group = group_of(purchase.order.context)
                for key in group.keys:
                    spans.setdefault(key, []).append((group.first, group.last))
        return {key: merged(own) for key, own in spans.items()}

    def _order(self, history: Dataset, piece: Piece) -> Order:
        request = Request(piece.method, terms.BASE_URL + piece.path, piece.params, piece.body)
        return Order(request, piece.edition, "s", history.name, piece.context())
