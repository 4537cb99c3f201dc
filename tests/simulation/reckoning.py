"""The final checks, once faults have ended and everything was run again: nothing open, books equal to the chain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from payer.values.identifiers import purchase_key
from payer.values.purchase import Data, Money, Purchase
from tasks.buy import overlaps
from tests.simulation.machine import Machine

if TYPE_CHECKING:
    from tests.simulation.demand import Demand
    from tests.simulation.world import World


def unfinished(world: World, machine: Machine) -> list[str]:
    """Name the reasons why a machine is not at rest yet."""
    rows = machine.store.peek(
        "SELECT purchase_id, money, data, is_open, doc FROM purchases WHERE is_open OR money = 'void'"
    )
    asked_again = not (world.scenario.tight or world.scenario.overlapping)
    return [
        f"{purchase_id} is {money}, {data}"
        for purchase_id, money, data, is_open, doc in rows
        if is_open or (asked_again and data == "absent" and b'"burned":true' not in doc)
    ]


def liveness(world: World, demand: Demand) -> dict[str, list[Purchase]]:
    """Every wanted piece ends delivered, undelivered or burned, none in doubt for ever. Returns what was read."""
    read: dict[str, list[Purchase]] = {}
    for machine in world.machines:
        ledger = machine.store.open()
        read[machine.name] = held = ledger.purchases()
        waiting = [f"{p.purchase_id} {p.money}/{p.data}" for p in ledger.open_purchases()]
        world.checks.require(not waiting, "liveness", lambda waiting=waiting: f"still open: {waiting[:4]}")
        latest = {p.purchase_key: p for p in sorted(held, key=lambda p: p.generation)}
        if not world.scenario.tight:
            released = world.scenario.overlapping
            restless = [p for p in latest.values() if not (_at_rest(p) or (released and p.money is Money.VOID))]
            wrong = [f"{p.purchase_id} {p.money}/{p.data}" for p in restless]
            world.checks.require(not wrong, "liveness", lambda wrong=wrong: f"not at rest: {wrong[:4]}")
            wanted = [] if world.scenario.planned and not released else demand.all(machine)
            missing = [o for o in wanted if released or purchase_key(o.request, o.edition) not in latest]
            world.checks.require(not missing, "liveness", lambda missing=missing: f"never bought: {missing[:2]}")
        if world.scenario.cells_once:
            _cells_once(world, held)
        left = [one.purchase_id for one in machine.spool.waiting() if ledger.get(one.purchase_id) is not None]
        world.checks.require(not left, "I4 spool", lambda left=left: f"bodies left in the spool: {left[:4]}")
        if "spoil" in world.scenario.rates:
            world.checks.judged(machine)
        for purchase in list(latest.values())[: 2 if world.scenario.seed % 4 == 0 else 0]:
            world.checks.refold(machine, purchase)
        if world.scenario.seed % 4 == 0:
            world.checks.whole(machine)
    return read


def _cells_once(world: World, held: list[Purchase]) -> None:
    """Of two paid requests for the same cell the later was planned knowing of the other: never beside each other.

    A plan may ask again for cells that are held, where that makes fewer calls.
    """
    paid = [p for p in held if p.money is Money.SPENT and not p.loss_accepted]
    for number, one in enumerate(paid):
        for other in paid[:number]:
            if one.run.run_id == other.run.run_id or not overlaps.overlap(one.order, other.order):
                continue
            knew = (world.checks.knew.get(p.purchase_id, frozenset()) for p in (one, other))
            aware = other.purchase_id in next(knew) or one.purchase_id in next(knew)
            both = one.purchase_id, other.purchase_id
            world.checks.require(aware, "cells once", lambda both=both: f"bought beside each other: {both}")


def _at_rest(purchase: Purchase) -> bool:
    if purchase.data is Data.DELIVERED:
        return purchase.money in (Money.SPENT, Money.VOID)
    return (purchase.undelivered and purchase.money is Money.SPENT) or purchase.burned


def books(world: World, read: dict[str, list[Purchase]] | None = None) -> None:
    """I5: nonce by nonce, what ledgers call spent is what the chain moved."""
    moved = world.chain.transfers()
    explained: set[str] = set()
    for machine in world.machines:
        held = machine.store.open().purchases() if read is None else read[machine.name]
        spent = {p.nonce: p.spent for p in held if p.money is Money.SPENT}
        wrong = {nonce: (value, moved.get(nonce)) for nonce, value in spent.items() if moved.get(nonce) != value}
        world.checks.require(not wrong, "I5 books", lambda wrong=wrong: f"spent in the ledger, on chain: {wrong}")
        explained.update(spent)
    unexplained = [nonce for nonce in moved if nonce not in explained and not _forgotten(world, nonce)]
    world.checks.require(not unexplained, "I5 books", lambda: f"moved and in no ledger: {unexplained[:3]}")


def _forgotten(world: World, nonce: str) -> bool:
    """Facts a lost ledger can't know again: a later generation, bought by operator approval, and pieces that tight caps
    kept from being asked for again. `tollbook reconcile` names them as not in the ledger."""
    lost = "lost" in world.scenario.rates or "rollback" in world.scenario.rates
    return lost and (world.scenario.tight or world.checks.purchase_of.get(nonce, ("", 0))[1] > 0)
