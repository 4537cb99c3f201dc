"""Buying an approved bill: oldest first, in parallel, bounded per seller; one call's trouble never stops another."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from tollbook.payer.errors import LedgerUnavailable, PayerError, Refused
from tollbook.payer.types import Data, Money, Purchase, Run
from tollbook.tasks.bill import Bill
from tollbook.tasks.calling import Caller
from tollbook.tasks.outcome import Bought
from tollbook.tasks.watch import Watch
from tollbook.tasks.workspace import Workspace

if TYPE_CHECKING:
    from tollbook.payer.quoting import Approved

PAYMENT_REQUIRED = 402
"""The last answer to a payment that is still open: the seller wants other terms than were approved."""

STOPS = (Refused, LedgerUnavailable)
"""After one of these nothing more is signed in the run: a person has to look at the policy, the price or the disk."""


async def approve(ws: Workspace, run: Run, bill: Bill) -> Approved:
    """Reserve what can be bought now, inside every cap, or nothing of it. A bill whose later pages would cross a cap
    is refused whole. Raises OverBudget with nothing signed."""
    _check_whole(ws, run, bill)
    return await ws.payer.approve(run, [item.order for item in bill.items], bill.quotes)


def _check_whole(ws: Workspace, run: Run, bill: Bill) -> None:
    from tollbook.payer.ledger import caps

    asked = sum(item.price or 0 for item in bill.all_items if not _counted(ws, item.key))
    held = ws.ledger.committed(bill.asset)
    totals = {bucket: held.get(bucket, 0) + asked for bucket in caps.buckets(run).values()}
    caps.check(ws.policy.caps[bill.asset.symbol], run, bill.asset, totals, asked)


def _counted(ws: Workspace, key: str) -> bool:
    """The caps hold it already: an open purchase of an earlier run."""
    found = ws.ledger.find(key)
    return found is not None and found.committed > 0


async def buy(ws: Workspace, run: Run, purchase: Purchase, approved: Approved) -> Purchase:
    """One call, carried as far as it goes. What another run's recovery gave back meanwhile is reserved anew."""
    from tollbook.payer.decide import NotSeen

    after = await ws.payer.buy(purchase, approved.views.get(purchase.purchase_id, NotSeen.UNREAD))
    if after.money is Money.VOID and after.data is Data.ABSENT and not after.burned:
        again = await ws.payer.approve(run, [purchase.order], await ws.payer.quote([purchase.order]))
        after = await ws.payer.buy(again.purchases[0], again.views.get(purchase.purchase_id, NotSeen.UNREAD))
    return after


async def buy_all(call: Caller, ws: Workspace, run: Run, bill: Bill, approved: Approved, watch: Watch) -> list[Bought]:
    """Every approved purchase, at most `parallel` of a seller at once. A refusal or a lost ledger stops what has not
    begun, and gives its reservations back; so does being interrupted."""
    purchases = approved.purchases
    watch.buying(len(purchases), sum(p.reserved for p in purchases))
    gates = {s: asyncio.Semaphore(ws.policy.sellers[s].parallel) for s in {p.order.seller for p in purchases}}
    rows = {item.key: item.rows for item in bill.items}
    results: dict[str, Bought] = {}
    stopped = asyncio.Event()

    async def one(purchase: Purchase) -> None:
        async with gates[purchase.order.seller]:
            if stopped.is_set():
                return
            bought = await _attempt(call, ws, run, purchase, approved)
            results[purchase.purchase_id] = bought
            problem = bought.problem
            refused = bought.purchase.money is Money.EXPOSED and bought.purchase.last_status == PAYMENT_REQUIRED
            if isinstance(problem, STOPS) or (problem and refused):
                stopped.set()
            came = 0 if problem else rows.get(purchase.purchase_key) or 0
            watch.bought(bought.purchase, came, problem.what if problem else None)

    try:
        await asyncio.gather(*(one(purchase) for purchase in purchases))
    finally:
        ws.payer.release([p for p in purchases if p.purchase_id not in results])
    return list(results.values())


async def _attempt(call: Caller, ws: Workspace, run: Run, purchase: Purchase, approved: Approved) -> Bought:
    try:
        return Bought(await call(buy, ws, run, purchase, approved))
    except PayerError as problem:
        return Bought(ws.ledger.get(purchase.purchase_id) or purchase, problem)


async def verify(ws: Workspace, bought: Sequence[Bought]) -> list[Bought]:
    """One batched look at the chain for everything this run paid: the books then hold the transactions."""
    exposed = {b.purchase.purchase_id: b for b in bought if b.purchase.money is Money.EXPOSED}
    if not exposed:
        return []
    proved = await ws.payer.verify([b.purchase for b in exposed.values()])
    return [replace(exposed[p.purchase_id], purchase=p) for p in proved]
