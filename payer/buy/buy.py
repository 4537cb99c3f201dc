"""The loop that buys one piece: decide, act, append. Whatever kills it, the same loop goes on from the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

from payer.buy import decide
from payer.buy import respond as answers
from payer.buy import send as sending
from payer.buy.decide import NotSeen, Sitting, next_action
from payer.ledger import Conflict
from payer.services import Services, View
from payer.values.errors import PaidUndelivered, PayerError, Refused, Unforeseen, Unresolved
from payer.values.events import Event, Sent, Settled, Undelivered, Unsettled, Void
from payer.values.types import Data, Money, Purchase

_POLLS = (0.2, 0.4, 0.8, 1.6)


async def buy(services: Services, purchase: Purchase, view: View = NotSeen.UNREAD) -> Purchase:
    """Carry one purchase as far as it goes now: delivered, void, undelivered, or parked with its money exposed.

    A delivered one comes back with its money still exposed: `recover.verify` proves many in one look at the chain.

    Raises PaidUndelivered, or Unresolved when it stays in doubt; both leave the ledger saying so. Raises Refused when
    the seller's answer to an unpaid order asks for money, or when the seller kept too much without delivering. Any
    other failure is Unforeseen: whoever awaits many purchases together loses no answer that is on its way.
    """
    try:
        return await _carry(services, purchase, view)
    except PayerError:
        raise
    except Exception as error:
        raise unforeseen(purchase, error) from error


def unforeseen(purchase: Purchase, error: Exception) -> Exception:
    """A defect of ours, told as what became of one purchase. Its words may quote anything, so only its kind is told."""
    return Unforeseen(f"{purchase.order.dataset} {purchase.purchase_id}: {type(error).__name__} while it was bought")


async def _carry(services: Services, purchase: Purchase, view: View) -> Purchase:
    sitting, polls = _first_sitting(services, purchase), 0
    while purchase.data is Data.ABSENT:
        if services.leased_elsewhere(purchase) and _busy(purchase):
            await services.clock.sleep(_POLLS[min(polls, len(_POLLS) - 1)])
            purchase, polls = _reread(services, purchase), polls + 1
            continue
        if _was_left(services, purchase):
            [purchase] = release(services, [purchase]) or [_reread(services, purchase)]
            continue
        action = next_action(purchase, services.clock.now().timestamp(), view, services.limits, sitting)
        try:
            match action:
                case decide.Rest():
                    return _rested(purchase)
                case decide.Park(why):
                    raise Unresolved(f"{purchase.order.dataset} {purchase.purchase_id}: {why}{_last_word(purchase)}")
                case decide.Sign() if purchase.order.free:
                    purchase = await sending.fetch_free(services, purchase)
                case decide.Sign() | decide.Present() | decide.Claim() if not services.holds_key_of(purchase):
                    raise _other_wallets(purchase)
                case decide.Sign() | decide.Present() | decide.Claim() if not services.sells(purchase):
                    raise _sold_no_more(purchase)
                case decide.Sign():
                    async with services.transport.turn(purchase.order.request):
                        purchase = await sending.send(services, sending.sign(services, purchase))
                    sitting, view = _after_sending(services, purchase, sitting), NotSeen.UNREAD
                case decide.Present():
                    await services.clock.sleep(sending.pause(sitting.presents))
                    async with services.transport.turn(purchase.order.request):
                        now = services.clock.now()
                        if next_action(purchase, now.timestamp(), view, services.limits, sitting) != action:
                            continue
                        purchase = await sending.send(services, services.append(purchase, Sent(at=now)))
                    sitting, view = _after_sending(services, purchase, sitting), NotSeen.UNREAD
                case decide.Claim():
                    sitting = replace(sitting, claims=sitting.claims + 1)
                    purchase = await sending.claim(services, purchase)
                case decide.Look():
                    view = (await services.look([purchase]))[purchase.purchase_id]
                case decide.Settle() | decide.Free() | decide.Unsettle() | decide.GiveUp():
                    purchase = services.append(purchase, *book(services, purchase, action))
                case _ as unreachable:
                    assert_never(unreachable)
        except Conflict:
            purchase, view = _reread(services, purchase), NotSeen.UNREAD
    return purchase


def book(services: Services, purchase: Purchase, action: decide.Action) -> list[Event]:
    """The events that write down what the chain, or the end of all claims, has proved."""
    now = services.clock.now()
    match action:
        case decide.Settle(settlement):
            return [Settled(at=now, settlement=settlement)]
        case decide.Unsettle():
            return [Unsettled(at=now, reason="its block is no longer on the chain")]
        case decide.Free(proof_block, burned):
            reason = "the nonce was cancelled on chain" if burned else "unused in a final block past validBefore"
            return [Void(at=now, reason=reason, proof_block=proof_block, burned=burned)]
        case decide.GiveUp():
            return [Undelivered(at=now, reason=f"{purchase.claims} claims failed, last status {purchase.last_status}")]
    return []


def _first_sitting(services: Services, purchase: Purchase) -> Sitting:
    """Another wallet's payment can't be presented by this one, nor one to a seller that policy names no more; the chain
    can be looked at all the same."""
    able = services.holds_key_of(purchase) and services.sells(purchase)
    return Sitting() if able else Sitting(presents=services.limits.presents)


def _after_sending(services: Services, purchase: Purchase, sitting: Sitting) -> Sitting:
    """A seller that says "nothing matches" says so again: it settles nothing then, and is not asked on and on."""
    enough = purchase.last_status == answers.NOTHING_MATCHED
    return replace(sitting, presents=services.limits.presents if enough else sitting.presents + 1)


def _was_left(services: Services, purchase: Purchase) -> bool:
    """Reserved by a process that is gone: judged then, and counted for its run (I3, I6). It is given back."""
    lease = purchase.lease
    return purchase.money is Money.RESERVED and lease is not None and lease.owner != services.owner


def release(services: Services, purchases: Sequence[Purchase]) -> list[Purchase]:
    """Void what was reserved and never sent; its caps are free again. What moved on meanwhile, or what another living
    process is working on, is left alone."""
    now = services.clock.now()
    reserved = [p for p in purchases if p.money is Money.RESERVED and not services.leased_elsewhere(p)]
    return services.ledger.append_all([(p, [Void(at=now, reason="never sent")]) for p in reserved]) if reserved else []


def _rested(purchase: Purchase) -> Purchase:
    if purchase.undelivered and not purchase.loss_accepted:
        raise PaidUndelivered(f"{purchase.order.dataset} {purchase.purchase_id} is paid and was never delivered")
    if purchase.money is Money.VOID and purchase.denied:
        raise Refused(f"{purchase.order.dataset}: {purchase.denied}")
    return purchase


def _last_word(purchase: Purchase) -> str:
    if purchase.last_status is None and not purchase.last_note:
        return ""
    status = "no answer" if purchase.last_status is None else f"status {purchase.last_status}"
    return f" (the seller's last word: {status}{': ' + purchase.last_note if purchase.last_note else ''})"


def _other_wallets(purchase: Purchase) -> Unresolved:
    what = (
        f"{purchase.order.dataset} {purchase.purchase_id} is to be paid from wallet {purchase.payer}, not from this one"
    )
    return Unresolved(what, advice="run `tollbook recover` with that wallet's key")


def _sold_no_more(purchase: Purchase) -> Unresolved:
    seller = purchase.order.seller
    return Unresolved(
        f"{purchase.order.dataset} {purchase.purchase_id} is a purchase from {seller}, which policy names no more",
        advice=f"put [sellers.{seller}] back into the policy file and run `tollbook recover`",
    )


def _busy(purchase: Purchase) -> bool:
    return purchase.data is Data.ABSENT and purchase.money in (Money.RESERVED, Money.EXPOSED, Money.SPENT)


def _reread(services: Services, purchase: Purchase) -> Purchase:
    found = services.ledger.get(purchase.purchase_id)
    assert found is not None, "the ledger never forgets a purchase"
    return found
