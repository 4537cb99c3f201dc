"""One process at its desk: the real payer over the simulated world, and the real buying of an approved bill."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

from payer.chain.chain import ChainReader
from payer.chain.reader import RpcChain
from payer.context import PayerContext
from payer.payer import Payer
from payer.settle.recover import due
from payer.values.request import Order, Run
from payer.values.terms import Quote
from tasks.buy import overlaps
from tasks.buy import purchase as buying
from tasks.buy.bill import Bill, Item, Line
from tasks.buy.watch import UNWATCHED
from tests.simulation import terms
from tests.simulation.machine import PROCESS, Process, SimClock
from tests.simulation.network import SimTransport
from tests.simulation.oracle import Oracle
from tests.simulation.rpc import SimRpc
from warehouse.cache.store import KnownDeliveries

if TYPE_CHECKING:
    from tests.simulation.world import World


T = TypeVar("T")


class Desk:
    """The part of a workspace that a flow's steps need: payer, ledger, policy."""

    def __init__(self, world: World, process: Process) -> None:
        clock = SimClock(process)
        chain = (
            _rpc_chain(world, clock, process)
            if world.scenario.rpc or world.scenario.servers > 1
            else _oracle(world, clock, process)
        )
        self.policy = world.policy
        self.ledger = process.machine.store.open()
        self.clock = clock
        transport = SimTransport(world, process)
        self.context = PayerContext(
            self.ledger,
            world.policy,
            chain,
            transport,
            world.wallet,
            clock,
            owner=f"{process.name}@{world.loop.time()}",
            spool=cast(Any, process.machine.spool),
            stop=process.stop,
            check_body=terms.check_body,
        )
        self.stop = self.context.stop
        self.payer = Payer(self.context)
        self.cache = self
        self._loaded: set[str] = set()
        self._world = world
        self.machine = process.machine

    async def in_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        return await self.ledger.in_thread(work, *arguments)

    def remembered(self) -> KnownDeliveries:
        """The deliveries that were there when the orders were planned."""
        return KnownDeliveries(0, self._loaded, complete=True)

    async def recover_as(self, **changes: Any) -> None:
        """Recover with another policy or key than the world's."""
        PROCESS.get().policy = changes.get("policy")  # type: ignore[union-attr]
        await Payer(replace(self.context, **changes)).recover()

    async def recover(self) -> None:
        if due(self.ledger, self.clock.now()) or self.machine.spool.waiting():
            await self.payer.recover()

    async def accept_prices(self, orders: Sequence[Order]) -> None:
        """Make what is asked now the base of each endpoint that was quoted before, as `accept-price` does."""
        for order in {order.request.endpoint: order for order in orders if not order.free}.values():
            if self.ledger.quote(order.request.endpoint, terms.ASSET) is not None:
                offered = await self.payer.offered_price(order)
                self._world.checks.prices.accepted(self.machine, offered.amount)
                self.ledger.accept_price(Quote(order.request.endpoint, order.seller, offered, self.clock.now()))

    async def run(self, name: str, orders: Sequence[Order]) -> None:
        """Quote, approve, buy, verify: the paid middle of a flow run. Raises PayerError."""
        for order in orders:
            self._world.checks.want(order)
        self._loaded = {purchase_id for _, purchase_id in self.ledger.delivery_index()}
        held = self._loaded.union(p.purchase_id for p in self.ledger.undelivered())
        run = Run(name, "grades", "schedule", self.clock.now())
        quotes = await self.payer.quote(orders)
        items = tuple(Item(o, 0 if o.free else quotes[o.request.endpoint].terms.amount) for o in orders)
        bill = Bill("grades", terms.ASSET, (Line("tm-grade", len(items), items),), quotes)
        workspace = cast(Any, self)
        approved = await self.payer.approve(run, [item.order for item in bill.items], bill.quotes)
        if self._world.scenario.overlapping:
            approved = await overlaps.give_way(workspace, run, approved)
            self._world.checks.knew |= dict.fromkeys((p.purchase_id for p in approved.purchases), held)
        batch = await buying.buy_all(buying.buy, workspace, run, approved, UNWATCHED)
        await buying.verify(workspace, list(batch.results.values()))


def _oracle(world: World, clock: SimClock, process: Process) -> ChainReader:
    return Oracle(world.policy, clock, world.chain, world.dice, process)


def _rpc_chain(world: World, clock: SimClock, process: Process) -> ChainReader:
    """The real reader of the chain over simulated servers."""
    return RpcChain(
        world.policy, clock, connect=lambda url: SimRpc(url, world.policy, clock, world.chain, world.dice, process)
    )
