"""The actors: jobs on each machine, an operator, fate; then, in quiet, everybody once more until nothing is open."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING

from payer.ledger.refused_sellers import EVERY_SELLER, Freeze
from payer.policy.rules import Policy
from payer.values.errors import OverBudget, PayerError
from payer.values.purchase import Data, Purchase
from payer.values.request import Order
from payer.wallet.eip3009 import Wallet
from tests.simulation import reckoning
from tests.simulation.demand import Demand
from tests.simulation.desk import Desk
from tests.simulation.machine import PROCESS, Crashed, Machine, Process
from tests.simulation.terms import THIEF

if TYPE_CHECKING:
    from tests.simulation.world import World

Work = Callable[[Desk], Awaitable[None]]
ROUNDS = 6
TURNS = 3
ROUND_SECONDS = 900.0
LAST_GENERATION = 2
SINCE = datetime(2026, 11, 30, tzinfo=UTC)
OTHER_WALLET = Wallet(b"\x22" * 32)


def stricter(policy: Policy, chance: Random) -> Policy:
    """A policy that allows no payment of this world any more, by its payees or by what a call may cost."""
    if chance.random() < 0.5:
        return replace(policy, sellers={"s": replace(policy.sellers["s"], pay_to=(THIEF,), any_payee=False)})
    return replace(policy, caps={"USDC": replace(policy.caps["USDC"], per_call=1)})


class Actors:
    """The cast of one world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._chance = Random(f"{world.scenario.seed}/actors")
        self.demand = Demand(world)
        self._runs = 0

    async def play(self) -> None:
        """Faults while the slots work, then quiet, then the reckoning."""
        world = self._world
        loop = world.loop
        fate = loop.create_task(self._fate())
        slots = [self._slot(m, number) for m in world.machines for number in range(world.scenario.slots)]
        await asyncio.gather(*slots)
        fate.cancel()
        world.dice.calm = True
        world.trace("calm")
        await asyncio.sleep(ROUND_SECONDS)
        await self._settle_down()
        await self._reckon()

    # ── while faults strike ──────────────────────────────────────────────────────────────────────────────────────

    async def _slot(self, machine: Machine, number: int) -> None:
        """One place in the schedule: its jobs follow each other, others run beside it."""
        for job in range(self._world.scenario.jobs):
            await asyncio.sleep(self._chance.choice((0.0, self._chance.uniform(0, 150))))
            await self.process(machine, f"{number}.{job}", self._some_work())

    def _some_work(self) -> Work:
        kind, dice = self._chance.random(), self._world.dice
        if dice.hit("delisted"):
            sellers = {"renamed": self._world.policy.sellers["s"]}
            return lambda desk: desk.recover_as(policy=replace(self._world.policy, sellers=sellers))
        if dice.hit("stricter"):
            return self._recover_strictly
        if dice.hit("other_key"):
            return lambda desk: desk.recover_as(wallet=OTHER_WALLET)
        if kind < 0.10:
            return lambda desk: desk.recover()
        if kind < 0.13:
            return self._reconcile
        if kind < 0.18:
            return self._person
        if dice.may("raise") and kind < 0.30:
            return self._accept_prices
        return self._flow

    async def process(self, machine: Machine, name: str, work: Work) -> None:
        """Run a job as a process of its own; it may die at any boundary."""
        world = self._world
        process = machine.start(name)
        context = copy_context()
        context.run(PROCESS.set, process)
        task = world.loop.create_task(self._job(process, work), context=context)
        process.tasks.append(task)
        world.trace(process.name, "starts", f"clock {process.offset:+.0f}" if process.offset else "")
        await asyncio.wait([task])
        if process.alive:
            error = None if task.cancelled() else task.exception()
            world.checks.require(error is None, "unexpected", lambda: f"{type(error).__name__}: {error}")
            world.checks.finished(process)
        machine.end(process)

    async def _job(self, process: Process, work: Work) -> None:
        try:
            await work(Desk(self._world, process))
        except PayerError as error:
            self._world.trace(process.name, type(error).__name__, error.what)

    async def _flow(self, desk: Desk) -> None:
        """One scheduled run: what is open first, then some of what is wanted."""
        await desk.recover()
        if self._world.scenario.overlapping:
            await self._range(desk)
        else:
            await self._buy(desk, self.demand.some(desk.machine))

    async def _range(self, desk: Desk) -> None:
        """A run over a range of its own: planned again after each turn, as other runs buy parts of it meanwhile."""
        part = self.demand.part()
        for _ in range(TURNS):
            if not (orders := self.demand.of_part(desk.machine, part)):
                break
            await self._buy(desk, orders)

    async def _buy(self, desk: Desk, orders: list[Order]) -> None:
        if orders:
            self._runs += 1
            await desk.run(f"run-{self._runs}", orders)

    async def _recover_strictly(self, desk: Desk) -> None:
        """An open payment meets a policy that no longer allows it: looked at, claimed, and never presented again."""
        await desk.recover_as(policy=stricter(self._world.policy, self._world.dice.of("stricter")))

    async def _thaw(self, desk: Desk) -> None:
        """Act as an operator before everything is run again: lift a freeze, accept a price that rose."""
        desk.ledger.unfreeze(EVERY_SELLER)
        if self._world.dice.may("raise"):
            await self._accept_prices(desk)

    async def _accept_prices(self, desk: Desk) -> None:
        await desk.accept_prices(self.demand.all(desk.machine))

    async def _reconcile(self, desk: Desk) -> None:
        await desk.payer.reconcile(self._world.policy.asset_for("s"))

    async def _person(self, desk: Desk) -> None:
        """Someone looks at what was paid and never came, once it is final, and gives some of it up."""
        await desk.recover()
        losses = [*desk.ledger.undelivered(), *desk.ledger.failed_deliveries()]
        for purchase in desk.ledger.purchases() if self._world.dice.may("cancel") else losses:
            lost = purchase.losable and not purchase.loss_accepted
            lost &= purchase.data is Data.ABSENT or bool(purchase.failure)
            if lost and purchase.generation < LAST_GENERATION and self._chance.random() < 0.5:
                self._accept(desk, purchase)

    def _accept(self, desk: Desk, purchase: Purchase) -> None:
        self._world.trace("person accepts the loss of", purchase.purchase_id)
        self._world.checks.accepted.add((purchase.purchase_key, purchase.generation))
        desk.payer.accept_loss(purchase, "a person")

    async def _fate(self) -> None:
        """Strikes from outside: reorgs, cancelled nonces, clocks that are set, lost disks."""
        world, dice = self._world, self._world.dice
        losses = {kind: dice.hit(kind) for kind in ("lost", "rollback")}
        rises = dice.hit("raise")
        while True:
            await asyncio.sleep(self._chance.uniform(3, 25))
            if dice.hit("reorg"):
                world.trace("reorg", len(world.chain.log))
                world.chain.reorg()
            if dice.hit("cancel"):
                self._cancel(dice.of("cancel"))
            machine = self._chance.choice(world.machines)
            if dice.hit("freeze"):
                self._freeze(machine)
            if dice.hit("disk_down"):
                machine.go_down(dice.of("disk_down").uniform(2, 40))
            if dice.hit("disk_gone"):
                machine.go_away(dice.of("disk_gone").uniform(2, 40))
            if rises and dice.of("raise").random() < 0.2:
                rises = False
                world.trace("the price rises")
                world.seller.raise_price()
            if machine.processes and dice.hit("clock"):
                self._chance.choice(machine.processes).jump(dice.of("clock"))
            if machine.processes and dice.hit("stop"):
                dice.of("stop").choice(machine.processes).ask_to_stop()
            if self._chance.random() < 0.2:
                machine.save()
            for kind, due in losses.items():
                if due and self._chance.random() < 0.1:
                    losses[kind] = False
                    machine.lose(kind)
                    world.checks.forget(machine)

    def _freeze(self, machine: Machine) -> None:
        """An operator freezes every seller, or lifts that, while others sign."""
        ledger = machine.store.open()
        lifted = ledger.unfreeze(EVERY_SELLER) is not None
        if not lifted:
            ledger.freeze(Freeze(EVERY_SELLER, SINCE, "an operator", ""))
        self._world.trace(machine.name, "unfrozen" if lifted else "frozen")

    def _cancel(self, chance: Random) -> None:
        """Someone with the key uses up a nonce without paying."""
        wanted = [purchase for machine in self._world.machines for purchase in machine.store.open().open_purchases()]
        signed = [purchase.authorization for purchase in wanted if purchase.authorization is not None]
        if signed:
            self._world.trace("someone cancels a nonce")
            self._world.chain.submit(chance.choice(signed), cancels=True)

    # ── in quiet ─────────────────────────────────────────────────────────────────────────────────────────────────

    async def _settle_down(self) -> None:
        """Every machine runs everything again until nothing is open. A person decides about half of what is lost."""
        for machine in self._world.machines:
            await self.process(machine, "thaw", self._thaw)
        for number in range(ROUNDS):
            for machine in self._world.machines:
                if number == 1:
                    await self.process(machine, "person", self._person)
                await self.process(machine, f"quiet-{number}", self._missing)
            await asyncio.sleep(ROUND_SECONDS)
            if number > 0 and not any(reckoning.unfinished(self._world, machine) for machine in self._world.machines):
                return
        for machine in self._world.machines:  # what the last round bought is final by now
            await self.process(machine, "last", lambda desk: desk.recover())

    async def _missing(self, desk: Desk) -> None:
        await desk.recover()
        await self._buy_each(desk, self.demand.missing(desk.machine))

    async def _everything(self, desk: Desk) -> None:
        await desk.recover()
        await self._buy_each(desk, self.demand.all(desk.machine))

    async def _buy_each(self, desk: Desk, orders: list[Order]) -> None:
        """At once; under tight caps a few at a time, until no more fits."""
        if not self._world.scenario.tight:
            await self._buy(desk, orders)
            return
        size = max(1, len(orders) // 8)
        for first in range(0, len(orders), size):
            try:
                await self._buy(desk, orders[first : first + size])
            except OverBudget:
                break

    async def _reckon(self) -> None:
        world = self._world
        read = reckoning.liveness(world, self.demand)
        if world.scenario.honest:
            reckoning.books(world, read)
        else:
            for machine in world.machines:
                await self.process(machine, "reconcile", self._reconcile)
            reckoning.books(world)
        before = world.checks.headers, len(world.chain.log)
        for machine in world.machines:
            await self.process(machine, "again", self._everything if self._chance.random() < 0.1 else self._missing)
        after = world.checks.headers, len(world.chain.log)
        if world.scenario.tight:
            return
        world.checks.require(before == after, "second run", lambda: f"payments, transfers: {before} became {after}")


__all__ = ["Actors", "Crashed"]
