"""Finishing or freeing what is open: look at the chain first, then claim, void or park; never block others."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from payer.buy import decide
from payer.buy.buy import book, buy, release
from payer.buy.decide import Limits, claim_is_due, next_action
from payer.buy.record import take_in
from payer.ledger import Ledger
from payer.services import Services, View
from payer.values.errors import PaidUndelivered, PayerError
from payer.values.types import Data, Money, Purchase

_AT_ONCE = 8
_USUAL = Limits()


@dataclass(frozen=True, slots=True)
class Recovered:
    """What became of the open purchases. `parked` stay exposed and are looked at again by the next run (exit 4)."""

    settled: list[Purchase] = field(default_factory=list)
    delivered: list[Purchase] = field(default_factory=list)
    voided: list[Purchase] = field(default_factory=list)
    parked: list[tuple[Purchase, str]] = field(default_factory=list)
    undelivered: list[Purchase] = field(default_factory=list)


async def verify(services: Services, purchases: Sequence[Purchase]) -> list[Purchase]:
    """One batched look at the chain for purchases whose money is not proved yet; books what it shows."""
    open_ones = [p for p in purchases if p.money is Money.EXPOSED or p.settling]
    views = await services.look(open_ones)
    batch = []
    for purchase in open_ones:
        action = next_action(purchase, services.clock.now().timestamp(), views[purchase.purchase_id], services.limits)
        if isinstance(action, decide.Settle | decide.Free | decide.Unsettle):
            batch.append((purchase, book(services, purchase, action)))
    return services.ledger.append_all(batch) if batch else []


def due(ledger: Ledger, now: datetime, flow: str | None = None, limits: Limits = _USUAL) -> list[Purchase]:
    """Every open purchase (of one flow, or all), and those undelivered that are asked for once more now."""
    found = {p.purchase_id: p for p in ledger.open_purchases(flow)}
    for purchase in ledger.undelivered():
        if claim_is_due(purchase, now.timestamp(), limits) and flow in (None, purchase.run.flow):
            found[purchase.purchase_id] = purchase
    return list(found.values())


async def recover(services: Services, flow: str | None = None) -> Recovered:
    """Carry everything that is due as far as it goes now. Bodies of the spool are booked first."""
    result = Recovered()
    booked = take_in(services)
    found = due(services.ledger, services.clock.now(), flow, services.limits)
    mine = [p for p in found if not services.leased_elsewhere(p)]
    result.voided.extend(release(services, mine))
    rest = [p for p in mine if p.money is not Money.RESERVED]
    views = await services.look(rest)
    held = {p.purchase_id for p in rest if p.data is Data.DELIVERED} - booked
    gate = asyncio.Semaphore(_AT_ONCE)
    proved = await _book_proofs(services, rest, views)
    carried = await asyncio.gather(*(_carry(services, gate, p, views[p.purchase_id], result) for p in proved))
    came = [p for p in carried if p is not None]
    latest = {
        p.purchase_id: p for p in [*came, *await verify(services, [p for p in came if p.purchase_id not in held])]
    }
    for purchase in latest.values():
        _sort(purchase, result, was_held=purchase.purchase_id in held)
    return result


async def _book_proofs(services: Services, purchases: Sequence[Purchase], views: Mapping[str, View]) -> list[Purchase]:
    """Write what the chain proves in one commit; returns every purchase as it stands then."""
    now = services.clock.now().timestamp()
    batch, rest = [], []
    for purchase in purchases:
        action = next_action(purchase, now, views[purchase.purchase_id], services.limits)
        if isinstance(action, decide.Settle | decide.Free | decide.Unsettle):
            batch.append((purchase, book(services, purchase, action)))
        else:
            rest.append(purchase)
    return (services.ledger.append_all(batch) if batch else []) + rest


async def _carry(
    services: Services, gate: asyncio.Semaphore, purchase: Purchase, view: View, result: Recovered
) -> Purchase | None:
    async with gate:
        try:
            return await buy(services, purchase, view)
        except PaidUndelivered:
            result.undelivered.append(purchase)
        except PayerError as why:
            result.parked.append((purchase, why.what))
    return None


def _sort(purchase: Purchase, result: Recovered, *, was_held: bool) -> None:
    if purchase.money is Money.EXPOSED:
        result.parked.append((purchase, "its settlement is not proved yet"))
    elif purchase.money is Money.VOID:
        result.voided.append(purchase)
    elif was_held:
        result.settled.append(purchase)
    else:
        result.delivered.append(purchase)
