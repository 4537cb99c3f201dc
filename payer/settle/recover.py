"""Recover open purchases: look at the chain first, then claim, void or leave in doubt; one never blocks another."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from payer.buy import decide
from payer.buy.buy import book, buy, release
from payer.buy.decide import claim_is_due, next_action
from payer.buy.lease import leased_elsewhere
from payer.buy.look import look
from payer.buy.record import book_spooled, judge_body
from payer.context import PayerContext
from payer.ledger import Ledger
from payer.policy.rules import AttemptLimits
from payer.stop import all_ended
from payer.values.chain_view import View
from payer.values.errors import PaidUndelivered, PayerError
from payer.values.events import Event
from payer.values.purchase import Data, Money, Purchase

_PARALLEL = 8
_DEFAULT_LIMITS = AttemptLimits()


@dataclass(frozen=True, slots=True)
class Recovered:
    """The open purchases by what became of them.

    `in_doubt` stay exposed, with the reason, and are recovered again by the next run (exit 4).
    """

    settled: list[Purchase] = field(default_factory=list)
    delivered: list[Purchase] = field(default_factory=list)
    voided: list[Purchase] = field(default_factory=list)
    in_doubt: list[tuple[Purchase, str]] = field(default_factory=list)
    undelivered: list[Purchase] = field(default_factory=list)


async def verify(context: PayerContext, purchases: Sequence[Purchase]) -> list[Purchase]:
    """Look purchases whose money is not proved yet up on the chain, in one batch, and book what it shows.

    Returned with those of which another process has booked it meanwhile, as it did.
    """
    open_ones = [p for p in purchases if p.money is Money.EXPOSED or p.settling]
    batch = _proved(context, open_ones, await look(context, open_ones))
    done = await context.ledger.in_thread(context.ledger.append_all, batch) if batch else []
    booked = {purchase.purchase_id for purchase in done}
    passed = [purchase.purchase_id for purchase, _ in batch if purchase.purchase_id not in booked]
    current = [await context.ledger.in_thread(context.ledger.get, each) for each in passed]
    return done + [purchase for purchase in current if purchase is not None and purchase.money is not Money.EXPOSED]


def due(
    ledger: Ledger, now: datetime, flow: str | None = None, limits: AttemptLimits = _DEFAULT_LIMITS
) -> list[Purchase]:
    """Return every open purchase (of one flow, or all), and the undelivered ones that a late claim is due for."""
    purchases = {p.purchase_id: p for p in ledger.open_purchases(flow)}
    for purchase in ledger.undelivered():
        if claim_is_due(purchase, now.timestamp(), limits) and flow in (None, purchase.run.flow):
            purchases[purchase.purchase_id] = purchase
    return list(purchases.values())


async def recover(context: PayerContext, flow: str | None = None) -> Recovered:
    """Carry every due purchase as far as it goes now, after booking the spool's bodies. Raises LedgerDamaged."""
    result = Recovered()
    booked, mine = await context.ledger.in_thread(_open, context, flow)
    result.voided.extend(await context.ledger.in_thread(release, context, mine))
    sent = [p for p in mine if p.money is not Money.RESERVED]
    views = await look(context, sent)
    had_data = {p.purchase_id for p in sent if p.data is Data.DELIVERED} - booked
    slots = asyncio.Semaphore(_PARALLEL)
    proved = await _book_proofs(context, sent, views)
    carried = await all_ended(_carry(context, slots, p, views[p.purchase_id], result) for p in proved)
    finished = [p for p in carried if p is not None]
    verified = await verify(context, [p for p in finished if p.purchase_id not in had_data])
    latest = {p.purchase_id: p for p in [*finished, *verified]}
    for purchase in latest.values():
        _sort(purchase, result, had_data=purchase.purchase_id in had_data)
    return result


def _open(context: PayerContext, flow: str | None) -> tuple[set[str], list[Purchase]]:
    """Book the spool's bodies; return the ids of their purchases, and what is due and leased by no other process."""
    context.ledger.require_intact()
    booked = book_spooled(context)
    open_ones = due(context.ledger, context.clock.now(), flow, context.limits)
    return booked, [p for p in open_ones if not leased_elsewhere(context, p)]


def _proved(
    context: PayerContext, purchases: Sequence[Purchase], views: Mapping[str, View]
) -> list[tuple[Purchase, list[Event]]]:
    """Return the purchases of which the chain proves something, with the events that record it."""
    now, batch = context.clock.now().timestamp(), []
    for purchase in purchases:
        action = next_action(purchase, now, views[purchase.purchase_id], context.limits)
        if isinstance(action, decide.Settle | decide.Free | decide.Unsettle):
            batch.append((purchase, book(context, purchase, action)))
    return batch


async def _book_proofs(
    context: PayerContext, purchases: Sequence[Purchase], views: Mapping[str, View]
) -> list[Purchase]:
    """Append what the chain proves, in one commit; return every purchase in its state after that."""
    batch = _proved(context, purchases, views)
    in_batch = {purchase.purchase_id for purchase, _ in batch}
    rest = [purchase for purchase in purchases if purchase.purchase_id not in in_batch]
    return (await context.ledger.in_thread(context.ledger.append_all, batch) if batch else []) + rest


async def _carry(
    context: PayerContext, slots: asyncio.Semaphore, purchase: Purchase, view: View, result: Recovered
) -> Purchase | None:
    async with slots:
        try:
            return await context.ledger.in_thread(judge_body, context, await buy(context, purchase, view))
        except PaidUndelivered:
            result.undelivered.append(purchase)
        except PayerError as why:
            result.in_doubt.append((purchase, why.what))
    return None


def _sort(purchase: Purchase, result: Recovered, *, had_data: bool) -> None:
    if purchase.money is Money.EXPOSED:
        result.in_doubt.append((purchase, "its settlement is not proved yet"))
    elif purchase.money is Money.VOID:
        result.voided.append(purchase)
    elif had_data:
        result.settled.append(purchase)
    else:
        result.delivered.append(purchase)
