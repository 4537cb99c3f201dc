"""Buy cells once, also where two runs want them at the same time in different requests.

A reservation is in the ledger, so that another process, and another home on the same ledger, sees it. After reserving,
a run looks for others' purchases of the same cells: what is on its way is theirs, and of two runs that both only
reserved, the one with the smaller run id goes on. The other releases its reservation, waits, loads what came, and plans
again. A reservation counts for others as long as its process, or its lease, lives. What was sent counts also after its
process died: a run that waits for it recovers it, and never buys its cells beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from payer.buy.approve import Approved
from payer.ledger.owners import is_gone, is_of_this_machine
from payer.values.crashpoints import crash_point
from payer.values.errors import PayerError
from payer.values.purchase import Data, Money, Purchase
from payer.values.request import Order, Run
from tasks.workspace.workspace import Workspace

LONGEST_WAIT = 120.0
"""Seconds that a run waits for another to buy the cells that both want."""

_HOLD_SECONDS = 20.0
"""Seconds that a reservation is held for another, younger one to be released."""

_LOOK_EVERY = 0.25
_RECOVER_EVERY = 10.0
"""Seconds between recoveries of what a dead process had sent: its settlement may not be in a block yet."""

_SLOW = timedelta(minutes=15)
"""Time after its lease in which a reservation of a process that lives on this machine still counts: a long batch."""


class BoughtElsewhere(PayerError):
    """Raised when another run has been buying the same cells for longer than this one waits, or died after it paid."""

    money = "none was sent for this by this run"
    repeat = "yes: what the other run brings is not bought again"
    advice = "run it again when the other run has ended (`tollbook status` shows open purchases)"
    exit_code = 4


def overlap(one: Order, other: Order) -> bool:
    """Tell whether two requests of one dataset, which are not the same, ask for a cell that both would pay for."""
    if one.dataset != other.dataset or one.seller != other.seller or one.free or other.free:
        return False
    ours, theirs = one.context, other.context
    if not ({"keys", "first", "last"} <= ours.keys() and {"keys", "first", "last"} <= theirs.keys()):
        return False
    if ours["first"] > theirs["last"] or theirs["first"] > ours["last"]:
        return False
    return not set(ours["keys"]).isdisjoint(theirs["keys"])


def lost_to(run_id: str, mine: Sequence[Purchase], rivals: Sequence[Purchase], held: float = 0.0) -> list[Purchase]:
    """Return the reservations of a run that give way to others' purchases of the same cells. Pure.

    What is on its way, or came, goes before; of two that are only reserved, that of the smaller run id. A reservation
    that was held for _HOLD_SECONDS gives way to any. The others of the same dataset are released with it: what is left
    of them is packed into the fewest calls when the plan is made again.
    """
    met = [p for p in mine if any(_both_want(p, q) and _goes_first(run_id, q, held) for q in rivals)]
    datasets = {p.order.dataset for p in met}
    return [p for p in mine if p.order.dataset in datasets]


def _goes_first(run_id: str, rival: Purchase, held: float) -> bool:
    only_reserved = rival.money is Money.RESERVED and rival.data is Data.ABSENT
    return not only_reserved or rival.run.run_id < run_id or held >= _HOLD_SECONDS


def _both_want(one: Purchase, other: Purchase) -> bool:
    return one.purchase_key != other.purchase_key and overlap(one.order, other.order)


async def give_way(ws: Workspace, run: Run, approved: Approved) -> Approved:
    """Return what this run may buy of what it reserved; the rest is released, because another run buys its cells.

    With nothing left it returns once the others are done: their rows are loaded next, and the plan is made again.
    Raises BoughtElsewhere after LONGEST_WAIT.
    """
    mine = [p for p in approved.purchases if p.run.run_id == run.run_id and p.money is Money.RESERVED]
    lost: list[Purchase] = []
    held = 0.0
    while rivals := await ws.in_thread(_rivals, ws, run, mine):
        if lost := lost_to(run.run_id, mine, rivals, held):
            await ws.in_thread(ws.payer.release, lost)
            crash_point("overlap.released")
            break
        await ws.clock.sleep(_LOOK_EVERY)
        held += _LOOK_EVERY
    gone = {p.purchase_id for p in lost}
    kept = [p for p in approved.purchases if p.purchase_id not in gone]
    if lost and not kept:
        await _wait_for_others(ws, run, lost)
    return Approved(kept, approved.views)


async def _wait_for_others(ws: Workspace, run: Run, lost: Sequence[Purchase]) -> None:
    waited, next_recovery = 0.0, 0.0
    while not ws.stop.requested:
        rivals = [q for q in await ws.in_thread(_rivals, ws, run, lost) if q.data is Data.ABSENT]
        if not rivals:
            return
        abandoned = not any(_is_at_work(ws, q) for q in rivals)
        if waited >= LONGEST_WAIT:
            others = ", ".join(sorted({q.run.run_id for q in rivals}))
            state = "was paid for, and is in doubt, by" if abandoned else "is being bought by"
            raise BoughtElsewhere(f"{lost[0].order.dataset}: the same data {state} run {others}")
        if abandoned and waited >= next_recovery:
            await ws.payer.recover()
            next_recovery = waited + _RECOVER_EVERY
        await ws.clock.sleep(_LOOK_EVERY)
        waited += _LOOK_EVERY


def _rivals(ws: Workspace, run: Run, mine: Sequence[Purchase]) -> list[Purchase]:
    """Others' purchases of cells that these reservations want: open now, or delivered since the cache was loaded."""
    if not mine:
        return []
    waiting = [q for q in ws.ledger.open_purchases() if q.data is Data.ABSENT]
    candidates = [q for q in waiting if q.money is not Money.RESERVED or is_live(ws, q)]
    candidates += _delivered_since(ws)
    theirs = [q for q in candidates if q.run.run_id != run.run_id]
    return [q for q in theirs if any(_both_want(p, q) for p in mine)]


def is_live(ws: Workspace, purchase: Purchase) -> bool:
    """Tell whether some process may still be working on a purchase."""
    lease, now = purchase.lease, ws.clock.now()
    if lease is None or is_gone(lease.owner):
        return False
    if purchase.money is Money.RESERVED and is_of_this_machine(lease.owner) and lease.owner != ws.payer.context.owner:
        return lease.until + _SLOW > now
    return lease.until > now


def _is_at_work(ws: Workspace, purchase: Purchase) -> bool:
    """Tell whether another process may be working on it; this one only recovered what it leases itself."""
    lease = purchase.lease
    return is_live(ws, purchase) and lease is not None and lease.owner != ws.payer.context.owner


def _delivered_since(ws: Workspace) -> Iterable[Purchase]:
    known = ws.cache.remembered()
    if known is None:
        return ()
    fresh = [each for _, each in ws.ledger.delivery_index(known.start) if each not in known.purchases]
    return [found for found in map(ws.ledger.get, fresh) if found is not None]
