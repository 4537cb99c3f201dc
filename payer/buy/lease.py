"""Leases: how long this process may work on a purchase alone, and when another process's lease counts.

A lease only avoids double work. What prevents a second payment is the nonce, which settles once.
"""

from __future__ import annotations

from datetime import timedelta

from payer.context import PayerContext
from payer.ledger.owners import is_gone
from payer.values.events import Event
from payer.values.purchase import Lease, Purchase

_SHORTEST_SECONDS = 90
_COMMIT_SECONDS = 30


def new_lease(context: PayerContext, *sellers: str) -> Lease:
    """Make a lease that lasts as long as the slowest answer of these sellers, and its commit, may take."""
    named = [seller for seller in sellers if seller in context.policy.sellers]
    longest = max((context.answer_timeout(seller) + _COMMIT_SECONDS for seller in named), default=0.0)
    return Lease(context.owner, context.clock.now() + timedelta(seconds=max(_SHORTEST_SECONDS, longest)))


def leased_elsewhere(context: PayerContext, purchase: Purchase) -> bool:
    """True if another process, which may still be running, holds an unexpired lease on the purchase."""
    lease = purchase.lease
    if lease is None or lease.owner == context.owner or lease.until <= context.clock.now():
        return False
    return not is_gone(lease.owner)


def append(context: PayerContext, purchase: Purchase, *events: Event) -> Purchase:
    """Append events to the ledger and renew the lease for the time of the next answer. Raises Conflict."""
    return context.ledger.append(purchase, *events, lease=new_lease(context, purchase.order.seller))


async def appended(context: PayerContext, purchase: Purchase, *events: Event) -> Purchase:
    """As `append`, in the ledger's thread."""
    return await context.ledger.in_thread(append, context, purchase, *events)
