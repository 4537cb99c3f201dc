"""Buying an approved bill: oldest first, in parallel, bounded per seller; one call's trouble never stops another."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from payer.values.errors import (
    LedgerUnavailable,
    OverBudget,
    PayerError,
    QuoteUnacceptable,
    Refused,
    SellerUnreachable,
)
from payer.values.purchase import Data, Money, Purchase
from payer.values.request import Run
from tasks.buy.bill import Bill
from tasks.buy.caps import room
from tasks.buy.fit_caps import pressing_only
from tasks.buy.outcome import Bought, PriceChange
from tasks.workspace.step import Caller
from tasks.workspace.watch import UNWATCHED, Watch
from tasks.workspace.workspace import Workspace

if TYPE_CHECKING:
    from payer.buy.quote import Approved

PAYMENT_REQUIRED = 402


async def approve(ws: Workspace, run: Run, bill: Bill) -> Approved:
    """Reserve what can be bought now, inside every cap. Raises OverBudget with nothing signed.

    Where a wallet, or another process, leaves less than the bill counted on, gaps that can wait go without.
    """
    if bill.refusal is not None and not bill.postponed:
        raise bill.refusal
    try:
        return await ws.payer.approve(run, [item.order for item in bill.items], bill.quotes)
    except OverBudget:
        pressing = pressing_only(bill)
        if run.budget is not None or not 0 < len(pressing.items) < len(bill.items):
            raise
        return await ws.payer.approve(run, [item.order for item in pressing.items], bill.quotes)


async def buy(ws: Workspace, run: Run, purchase: Purchase, approved: Approved) -> Purchase:
    """One call, carried as far as it goes. What another run's recovery gave back meanwhile is reserved anew."""
    from payer.values.chain_view import NotSeen

    after = await ws.payer.buy(purchase, approved.views.get(purchase.purchase_id, NotSeen.UNREAD))
    if after.money is Money.VOID and after.data is Data.ABSENT and not after.burned:
        again = await ws.payer.approve(run, [purchase.order], await ws.payer.quote([purchase.order]))
        after = await ws.payer.buy(again.purchases[0], again.views.get(purchase.purchase_id, NotSeen.UNREAD))
    return after


async def buy_all(call: Caller, ws: Workspace, run: Run, approved: Approved, watch: Watch) -> Batch:
    """Every approved purchase, at most `parallel` of a seller at once; what was not begun gives its reservation back,
    also when the run is interrupted. A purchase in doubt stops nothing. A refusal, or a price that moved, stops what
    has not begun of its endpoint; a lost ledger stops everything."""
    batch = Batch(call, ws, run, approved, watch)
    watch.buying(len(approved.purchases), sum(p.reserved for p in approved.purchases))
    gates = {s: asyncio.Semaphore(ws.policy.sellers[s].parallel) for s in {p.order.seller for p in approved.purchases}}

    async def one(purchase: Purchase) -> None:
        async with gates[purchase.order.seller]:
            await batch.carry(purchase)

    try:
        await asyncio.gather(*(one(purchase) for purchase in approved.purchases))
    finally:
        ws.payer.release([p for p in approved.purchases if p.purchase_id not in batch.results])
    await batch.follow_prices()
    return batch


@dataclass(slots=True)
class Batch:
    """One round of purchases as they end. `halted` are endpoints of which nothing more is bought in this run, and why;
    `moved` are those whose price is another now."""

    call: Caller
    ws: Workspace
    run: Run
    approved: Approved
    watch: Watch
    results: dict[str, Bought] = field(default_factory=dict)
    moved: dict[str, PriceChange] = field(default_factory=dict)
    halted: dict[str, PayerError] = field(default_factory=dict)
    stopped: LedgerUnavailable | None = None
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def carry(self, purchase: Purchase) -> None:
        """Buy one, unless something that it depends on has stopped."""
        endpoint = purchase.order.request.endpoint
        if self.stopped or endpoint in self.halted or endpoint in self.moved:
            return
        bought = await self._attempt(purchase)
        await self._judge(purchase, bought)
        self._tell(bought)

    async def follow_prices(self) -> None:
        """Payments left in doubt by a price that moved are signed again where what was released makes room for it."""
        waiting = [bought.purchase for bought in self.results.values() if self._outbid(bought)]
        free = room(self.ws, self.run, waiting[0].asset) if waiting else 0
        going_on = []
        for purchase in waiting:
            rise = self.moved[purchase.order.request.endpoint].after - purchase.reserved
            if rise <= free:
                free -= max(rise, 0)
                going_on.append(purchase)
        for bought in await asyncio.gather(*(self._attempt(purchase) for purchase in going_on)):
            self._tell(bought)

    async def _attempt(self, purchase: Purchase) -> Bought:
        try:
            bought = Bought(await self.call(buy, self.ws, self.run, purchase, self.approved))
        except PayerError as problem:
            bought = Bought(self.ws.ledger.get(purchase.purchase_id) or purchase, problem)
        self.results[purchase.purchase_id] = bought
        return bought

    async def _judge(self, before: Purchase, bought: Bought) -> None:
        """What one purchase's end means for those not begun."""
        after, endpoint = bought.purchase, before.order.request.endpoint
        if isinstance(bought.problem, LedgerUnavailable):
            self.stopped = bought.problem
        elif isinstance(bought.problem, Refused):
            self.halted[endpoint] = bought.problem
        elif _signed(after) not in (None, _signed(before)):
            self._move(after, _signed(before), _signed(after))
        elif bought.problem and before.money is Money.RESERVED and after.last_status == PAYMENT_REQUIRED:
            await self._ask_anew(after)

    async def _ask_anew(self, purchase: Purchase) -> None:
        """A 402 to a payment: the price may have moved, or this one alone is in doubt. The seller's terms say which."""
        endpoint = purchase.order.request.endpoint
        async with self._asking:
            if endpoint in self.halted or endpoint in self.moved:
                return
            try:
                terms = (await self.ws.payer.requote([purchase.order]))[endpoint].terms
            except QuoteUnacceptable as refused:
                self.halted[endpoint] = refused
                self._move(purchase, _signed(purchase), refused.offered)
            except SellerUnreachable:
                return
            else:
                self._move(purchase, _signed(purchase), terms.amount)

    def _move(self, purchase: Purchase, before: int | None, after: int | None) -> None:
        endpoint = purchase.order.request.endpoint
        if before is None or after is None or before == after or endpoint in self.moved:
            return
        done = sum(1 for bought in self.results.values() if bought.problem is None)
        first = done if self.results[purchase.purchase_id].problem is None else done + 1
        self.moved[endpoint] = PriceChange(purchase.order.dataset, before, after, first)

    def _outbid(self, bought: Bought) -> bool:
        """In doubt because the seller wants more now, and may have it."""
        purchase, change = bought.purchase, self.moved.get(bought.purchase.order.request.endpoint)
        in_doubt = purchase.money is Money.EXPOSED and purchase.data is Data.ABSENT
        ours = purchase.run.run_id == self.run.run_id and purchase.last_status == PAYMENT_REQUIRED
        return bool(in_doubt and ours and change and purchase.order.request.endpoint not in self.halted)

    def _tell(self, bought: Bought) -> None:
        if self.watch is not UNWATCHED:
            problem = bought.problem
            self.watch.bought(bought.purchase, rows_of(self.ws, bought), problem.what if problem else None)


def _signed(purchase: Purchase) -> int | None:
    """The price of the terms it was last signed for, or is to be."""
    return None if purchase.terms is None else purchase.terms.amount


def rows_of(ws: Workspace, bought: Bought) -> int:
    """How many rows a delivered body holds; none where nobody can read it."""
    from sources import registry
    from sources.parse.envelope import open_body

    purchase = bought.purchase
    found = ws.ledger.delivery(purchase.purchase_id) if purchase.data is Data.DELIVERED else None
    if found is None:
        return 0
    return len(open_body(registry.dataset(found.dataset), found.status, found.body)[1])


async def verify(ws: Workspace, bought: Sequence[Bought]) -> list[Bought]:
    """One batched look at the chain for everything this run paid: the books then hold the transactions."""
    exposed = {b.purchase.purchase_id: b for b in bought if b.purchase.money is Money.EXPOSED}
    if not exposed:
        return []
    proved = await ws.payer.verify([b.purchase for b in exposed.values()])
    return [replace(exposed[p.purchase_id], purchase=p) for p in proved]
