"""Recover, approve, buy and verify purchases: oldest first, in parallel, and one purchase in doubt stops no other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

from payer.buy.approve import Approved
from payer.settle.recover import Recovered, due
from payer.stop import all_ended
from payer.values.chain_view import NotSeen
from payer.values.errors import (
    EndedVoid,
    Interrupted,
    LedgerUnavailable,
    OverBudget,
    PayerError,
    QuoteUnacceptable,
    Refused,
    SellerUnreachable,
    SignerUnreachable,
)
from payer.values.purchase import Data, Money, Purchase
from payer.values.request import Run
from sources import registry
from sources.parse.envelope import opened_body
from tasks.buy.bill import Bill
from tasks.buy.caps import room
from tasks.buy.fit_caps import urgent_only
from tasks.buy.outcome import Bought, PriceChange
from tasks.buy.overlaps import give_way
from tasks.buy.watch import UNWATCHED, Watch
from tasks.calls.call import state_of
from tasks.calls.log import log_purchases
from tasks.workspace.workspace import Workspace

PAYMENT_REQUIRED = 402
_LOOK_AGAIN_SECONDS = (1.0, 2.0)

BuyStep = Callable[[Workspace, Run, Purchase, Approved], Awaitable[Purchase]]
"""`buy` below, or the same as a Prefect task."""


async def recover(ws: Workspace, flow: str | None = None) -> Recovered:
    """Carry every open purchase of a flow (None: of all) as far as it goes. Without any, no chain is asked."""
    waiting = await ws.in_thread(_waiting, ws, flow)
    if waiting is None:
        return Recovered()
    found = await ws.payer.recover(flow)
    before = {p.purchase_id: state_of(p) for p in waiting}
    carried = (*(p for p, _ in found.in_doubt), *found.settled, *found.voided, *found.delivered, *found.undelivered)
    latest = {purchase.purchase_id: purchase for purchase in carried}
    # A block that became final changes no state.
    log_purchases(p for p in latest.values() if before.get(p.purchase_id) != state_of(p))
    return found


def _waiting(ws: Workspace, flow: str | None) -> list[Purchase] | None:
    """Purchases that a recovery has to carry on, none where only bodies wait in the spool; None for nothing to do."""
    purchases = due(ws.ledger, ws.clock.now(), flow)
    return purchases if purchases or ws.spool.waiting() else None


async def approve(ws: Workspace, run: Run, bill: Bill) -> Approved:
    """Reserve what can be bought now, inside every cap, and nobody else buys. Raises OverBudget with nothing signed.

    Where the wallet, or another process, leaves less than the bill counted on, only what is urgent is reserved.
    """
    if bill.refusal is not None and not bill.postponed:
        raise bill.refusal
    try:
        approved = await ws.payer.approve(run, [item.order for item in bill.items], bill.quotes)
    except OverBudget:
        urgent = urgent_only(bill)
        if run.budget is not None or not 0 < len(urgent.items) < len(bill.items):
            raise
        approved = await ws.payer.approve(run, [item.order for item in urgent.items], bill.quotes)
    return await give_way(ws, run, approved)


async def buy(ws: Workspace, run: Run, purchase: Purchase, approved: Approved) -> Purchase:
    """Carry one purchase as far as it goes; reserve it again where another run's recovery has voided it meanwhile."""
    after = await ws.payer.buy(purchase, approved.views.get(purchase.purchase_id, NotSeen.UNREAD))
    if _ended_void(after) and not after.burned and not ws.stop.requested:
        again = await ws.payer.approve(run, [purchase.order], await ws.payer.quote([purchase.order]))
        after = await ws.payer.buy(again.purchases[0], again.views.get(purchase.purchase_id, NotSeen.UNREAD))
    if _ended_void(after):
        raise _void(after)
    return after


async def buy_all(buy: BuyStep, ws: Workspace, run: Run, approved: Approved, watch: Watch) -> Batch:
    """Buy every approved purchase, at most `parallel` of a seller at once.

    What was not begun releases its reservation, also when the run is interrupted. A purchase in doubt stops nothing; a
    refusal, or a price that moved, stops what has not begun of its endpoint; a lost ledger, or a requested stop, stops
    everything, and what is on its way is waited for.
    """
    batch = Batch(buy, ws, run, approved, watch)
    watch.buying(len(approved.purchases), sum(p.reserved for p in approved.purchases))
    gates = {s: asyncio.Semaphore(ws.policy.sellers[s].parallel) for s in {p.order.seller for p in approved.purchases}}

    async def one(purchase: Purchase) -> None:
        async with gates[purchase.order.seller]:
            await batch.carry(purchase)

    try:
        await all_ended(one(purchase) for purchase in approved.purchases)
    finally:
        await batch.release()
    await batch.follow_prices()
    return batch


@dataclass(slots=True)
class Batch:
    """One round of purchases as they end. `halted` are endpoints that nothing more is bought of in this run, with the
    reason; `moved` are endpoints whose price has changed."""

    buy: BuyStep
    ws: Workspace
    run: Run
    approved: Approved
    watch: Watch
    results: dict[str, Bought] = field(default_factory=dict)
    moved: dict[str, PriceChange] = field(default_factory=dict)
    halted: dict[str, PayerError] = field(default_factory=dict)
    stopped: LedgerUnavailable | None = None
    _requoting: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def carry(self, purchase: Purchase) -> None:
        """Buy one, unless its endpoint, the ledger or the run has stopped."""
        endpoint = purchase.order.request.endpoint
        if self.stopped or endpoint in self.halted or endpoint in self.moved or self.ws.stop.requested:
            return
        try:
            bought = await self._attempt(purchase)
            if bought is not None:
                await self._judge(purchase, bought)
                await self._report(bought)
        except LedgerUnavailable as lost:
            self.stopped = self.stopped or lost

    async def release(self) -> None:
        """Void what was not begun. A lost ledger is told by what met it first, with where its body is kept; where it is
        back, what met it is read again, and voided if it was not begun either."""
        met = [bought for bought in self.results.values() if isinstance(bought.problem, LedgerUnavailable)]
        for bought in met:
            self.results[bought.purchase.purchase_id] = await self._latest(bought)
        left = [p for p in self.approved.purchases if p.purchase_id not in self.results]
        left += [self.results[bought.purchase.purchase_id].purchase for bought in met]
        try:
            await self.ws.ledger.in_thread(self.ws.payer.release, left)
        except LedgerUnavailable:
            if self.stopped is None:
                raise

    async def follow_prices(self) -> None:
        """Sign payments again that a price change left in doubt, where the caps have room for the rise."""
        stopped = self.ws.stop.requested
        waiting = [] if stopped else [bought.purchase for bought in self.results.values() if self._outbid(bought)]
        if not waiting:
            return
        asset, seller = waiting[0].asset, waiting[0].order.seller
        free, affordable = await self.ws.ledger.in_thread(room, self.ws, self.run, asset, seller), []
        for purchase in waiting:
            rise = self.moved[purchase.order.request.endpoint].after - purchase.reserved
            if rise <= free:
                free -= max(rise, 0)
                affordable.append(purchase)
        for bought in await all_ended(self._attempt(purchase) for purchase in affordable):
            if bought is not None:
                await self._report(bought)

    async def _attempt(self, purchase: Purchase) -> Bought | None:
        """Buy it and keep how that ended; None for what a stopped run has not begun."""
        try:
            bought = Bought(await self.buy(self.ws, self.run, purchase, self.approved))
        except Interrupted:
            return None
        except PayerError as problem:
            if isinstance(problem, LedgerUnavailable):
                self.stopped = self.stopped or problem
            bought = await self._latest(Bought(purchase, problem))
        self.results[purchase.purchase_id] = bought
        return bought

    async def _latest(self, bought: Bought) -> Bought:
        """Read a purchase again. While the ledger is lost it stays as it was."""
        try:
            latest = await self.ws.ledger.in_thread(self.ws.ledger.get, bought.purchase.purchase_id)
        except LedgerUnavailable as lost:
            self.stopped = self.stopped or lost
            return bought
        return replace(bought, purchase=latest or bought.purchase)

    async def _judge(self, before: Purchase, bought: Bought) -> None:
        """Stop those not begun where this purchase's end says so."""
        after, endpoint = bought.purchase, before.order.request.endpoint
        if isinstance(bought.problem, LedgerUnavailable):
            return
        if isinstance(bought.problem, Refused | SignerUnreachable):
            self.halted[endpoint] = bought.problem
        elif _signed(after) not in (None, _signed(before)):
            self._move(after, _signed(before), _signed(after))
        elif self.ws.stop.requested:
            return
        elif bought.problem and before.money is Money.RESERVED and after.last_status == PAYMENT_REQUIRED:
            await self._requote(after)

    async def _requote(self, purchase: Purchase) -> None:
        """After a 402 to a payment, ask for terms: the price has moved, or this purchase alone is in doubt."""
        endpoint = purchase.order.request.endpoint
        async with self._requoting:
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
        """True for a payment in doubt because the price has risen inside what policy allows."""
        purchase, change = bought.purchase, self.moved.get(bought.purchase.order.request.endpoint)
        in_doubt = purchase.money is Money.EXPOSED and purchase.data is Data.ABSENT
        ours = purchase.run.run_id == self.run.run_id and purchase.last_status == PAYMENT_REQUIRED
        return bool(in_doubt and ours and change and purchase.order.request.endpoint not in self.halted)

    async def _report(self, bought: Bought) -> None:
        log_purchases([bought.purchase])
        if self.watch is not UNWATCHED:
            problem = bought.problem
            rows = await self.ws.ledger.in_thread(rows_of, self.ws, bought)
            self.watch.bought(bought.purchase, rows, problem.what if problem else None)


def _ended_void(purchase: Purchase) -> bool:
    return purchase.money is Money.VOID and purchase.data is Data.ABSENT


def _void(purchase: Purchase) -> EndedVoid:
    """Build the error of a payment that ended void, with the seller's last answer."""
    name = f"{purchase.order.dataset} {purchase.purchase_id}"
    if purchase.burned:
        return EndedVoid(
            f"{name}: its nonce was cancelled on chain, by somebody with this wallet's key",
            advice=f"find out who holds the key, then `tollbook accept-loss {purchase.purchase_id}`",
        )
    answer = "none" if purchase.last_status is None else f"status {purchase.last_status}"
    note = f", {purchase.last_note}" if purchase.last_note else ""
    return EndedVoid(f"{name}: the payment ended void, never taken (the seller's last answer: {answer}{note})")


def _signed(purchase: Purchase) -> int | None:
    """The price that it was last signed for, or is to be signed for."""
    return None if purchase.terms is None else purchase.terms.amount


def rows_of(ws: Workspace, bought: Bought) -> int:
    """Count the rows of a delivered body; 0 where it can't be read."""
    purchase = bought.purchase
    found = ws.ledger.delivery(purchase.purchase_id) if purchase.data is Data.DELIVERED else None
    if found is None:
        return 0
    return len(opened_body(registry.dataset(found.dataset), found.status, found.content_type, found.body).rows)


async def verify(ws: Workspace, bought: Sequence[Bought]) -> list[Bought]:
    """Look at the chain for everything this run paid, and book the transactions. Returns what that proved.

    Some sellers answer before their transaction is in a block: what was delivered is looked for some seconds longer,
    and is in doubt after that, since a seller's word is no proof.
    """
    exposed = {b.purchase.purchase_id: b for b in bought if b.purchase.money is Money.EXPOSED}
    proved: list[Bought] = []
    for pause in (0.0, *_LOOK_AGAIN_SECONDS):
        waiting = [b.purchase for b in exposed.values() if not pause or b.purchase.data is Data.DELIVERED]
        if not waiting:
            break
        await ws.clock.sleep(pause)
        proved += [replace(exposed.pop(p.purchase_id), purchase=p) for p in await ws.payer.verify(waiting)]
    log_purchases(b.purchase for b in proved)
    return proved
