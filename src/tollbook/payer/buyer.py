"""The loop that buys one piece: decide, act, append. Whatever kills it, the same loop goes on from the ledger.

What happens when the process dies, line by line: before `append` of Signed and Sent nothing has left the machine and
the purchase is still reserved; after it the money is exposed and the same header, derived again from the ledger, is
presented; once the answer's `append` returns, or its body lies in the spool for a recovery to book, the body is durable
(I4) and nothing is ever sent for it again (I1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

from tollbook.crashpoints import crash_point
from tollbook.payer import answers, decide, new_terms
from tollbook.payer.decide import NotSeen, Sitting, next_action
from tollbook.payer.errors import (
    OverBudget,
    PaidUndelivered,
    PayerError,
    Refused,
    SellerUnreachable,
    Unforeseen,
    Unresolved,
)
from tollbook.payer.events import Denied, Event, Sent, Settled, Signed, Undelivered, Unsent, Unsettled, Void
from tollbook.payer.http.outcome import Answer, NoAnswer, NotSent
from tollbook.payer.keeping import keep
from tollbook.payer.ledger import Conflict
from tollbook.payer.quoting import for_order
from tollbook.payer.services import Services, View
from tollbook.payer.types import Data, Money, Purchase, Terms

_BACKOFF = (0.25, 0.5, 1.0, 2.0)
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
                    purchase = await _fetch_free(services, purchase)
                case decide.Sign() | decide.Present() | decide.Claim() if not services.holds_key_of(purchase):
                    raise _other_wallets(purchase)
                case decide.Sign() | decide.Present() | decide.Claim() if not services.sells(purchase):
                    raise _sold_no_more(purchase)
                case decide.Sign():
                    async with services.transport.turn(purchase.order.request):
                        purchase = await _send(services, _sign(services, purchase))
                    sitting, view = _after_sending(services, purchase, sitting), NotSeen.UNREAD
                case decide.Present():
                    await services.clock.sleep(_pause(sitting))
                    async with services.transport.turn(purchase.order.request):
                        now = services.clock.now()
                        if next_action(purchase, now.timestamp(), view, services.limits, sitting) != action:
                            continue
                        purchase = await _send(services, _append(services, purchase, Sent(at=now)))
                    sitting, view = _after_sending(services, purchase, sitting), NotSeen.UNREAD
                case decide.Claim():
                    sitting = replace(sitting, claims=sitting.claims + 1)
                    purchase = await _claim(services, purchase)
                case decide.Look():
                    view = (await services.look([purchase]))[purchase.purchase_id]
                case decide.Settle() | decide.Free() | decide.Unsettle() | decide.GiveUp():
                    purchase = _append(services, purchase, *book(services, purchase, action))
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


def _append(services: Services, purchase: Purchase, *events: Event) -> Purchase:
    return services.ledger.append(purchase, *events, lease=services.lease(purchase.order.seller))


def _sign(services: Services, purchase: Purchase) -> Purchase:
    """Write down what is about to be signed and sent. Nothing leaves the machine before this has returned."""
    terms = purchase.terms
    assert terms is not None, "a priced order has terms"
    now = services.clock.now()
    authorization = services.authorize(purchase, terms)
    crash_point("signed")
    happened = Signed(at=now, authorization=authorization, terms=terms), Sent(at=now)
    limit = services.loss_limits().get(purchase.order.seller, 0)
    try:
        after = services.ledger.append(
            purchase, *happened, lease=services.lease(purchase.order.seller), loss_limit=limit
        )
    except OverBudget as refused:
        if purchase.money is Money.RESERVED:
            _append(services, purchase, Denied(at=now, reason=refused.what))
        raise
    crash_point("sent")
    return after


async def _send(services: Services, purchase: Purchase) -> Purchase:
    """Present the payment once and write down what came back."""
    payment = services.present(purchase)
    answer = await _exchange(services, purchase, {payment.header_name: payment.header_value})
    if isinstance(answer, NotSent):
        return _unsent(services, purchase, answer.reason)
    if isinstance(answer, NoAnswer):
        event = answers.no_answer(answer.reason, 0.0, services.clock.now())
        return _append(services, purchase, event)
    crash_point("answered")
    offered, refusal = new_terms.asked_anew(services, purchase, answer)
    after = await keep(services, purchase, answer, refusal)
    crash_point("delivered")
    if offered is None:
        return after
    new_terms.remember(services, purchase.order, offered)
    return new_terms.sign_anew(services, after, offered) if new_terms.still_asked(purchase, after) else after


def _unsent(services: Services, purchase: Purchase, reason: str) -> Purchase:
    """No byte of it left. If none ever did, the money is free again; nothing was spent by this call."""
    now = services.clock.now()
    if purchase.money is Money.SPENT:
        return _append(services, purchase, answers.no_answer(reason, 0.0, now))
    after = _append(services, purchase, Unsent(at=now, reason=reason))
    if after.money is Money.RESERVED:
        _append(services, after, Void(at=now, reason=f"never sent: {reason}"))
        raise SellerUnreachable(
            f"{purchase.order.seller} could not be reached at {purchase.order.request.url}: {reason}"
        )
    return after


async def _exchange(services: Services, purchase: Purchase, headers: dict[str, str]) -> Answer | NotSent | NoAnswer:
    request = purchase.order.request
    sent = {**dict(request.headers), **headers}
    try:
        return await services.transport.send(request, sent, timeout=services.patience(purchase.order.seller))
    except (NotSent, NoAnswer) as outcome:
        return outcome


async def _claim(services: Services, purchase: Purchase) -> Purchase:
    """Ask for a paid body with the authorization that paid; its nonce is used, so it can't pay again."""
    terms = _claim_terms(services, purchase)
    if purchase.authorization is None and terms is None:
        event = Undelivered(at=services.clock.now(), reason="no terms are known to claim it with")
        return _append(services, purchase, event)
    if purchase.claims:
        await services.clock.sleep(_BACKOFF[min(purchase.claims, len(_BACKOFF)) - 1])
    async with services.transport.turn(purchase.order.request):
        now = services.clock.now()
        events: list[Event] = [Sent(at=now, claim=True)]
        if purchase.authorization is None and terms is not None:
            events.insert(0, Signed(at=now, authorization=services.authorize(purchase, terms), terms=terms))
        elif purchase.authorization is not None and not purchase.paid_by(purchase.authorization):
            events = [*_that_paid(services, purchase), *events]
        return await _send(services, _append(services, purchase, *events))


def _that_paid(services: Services, purchase: Purchase) -> list[Event]:
    """Of several signatures over the nonce the seller settled an earlier one: it is the one to claim with."""
    signed = [event for event in services.ledger.events(purchase.purchase_id) if isinstance(event, Signed)]
    paid = [event for event in signed if purchase.paid_by(event.authorization)]
    return [replace(paid[-1], at=services.clock.now())] if paid else []


def _claim_terms(services: Services, purchase: Purchase) -> Terms | None:
    if purchase.terms is not None:
        return purchase.terms
    quote = services.ledger.quote(purchase.order.request.endpoint, purchase.asset)
    return None if quote is None else for_order(quote.terms, purchase.order)


async def _fetch_free(services: Services, purchase: Purchase) -> Purchase:
    """An order that costs nothing. Asked for money, it is refused; a seller that is busy or silent is unreachable."""
    answer = await _exchange(services, purchase, {})
    now, endpoint = services.clock.now(), purchase.order.request.endpoint
    if isinstance(answer, NotSent | NoAnswer):
        raise _silent(services, purchase, f"did not answer at {endpoint}: {answer.reason}")
    if 200 <= answer.status < 300:
        return await keep(services, purchase, answer)
    if answer.status == 429 or answer.status >= 500:
        raise _silent(services, purchase, f"answered {answer.status} at {endpoint}")
    if answer.status == 402:
        return _append(services, purchase, Denied(at=now, reason=f"{endpoint} is declared free and asked for money"))
    return _append(services, purchase, Denied(at=now, reason=f"the seller answered {answer.status} to {endpoint}"))


def _silent(services: Services, purchase: Purchase, why: str) -> SellerUnreachable:
    """A free order that got no answer is given up for now: it carries no money, and may be asked for again."""
    _append(services, purchase, Void(at=services.clock.now(), reason=why))
    return SellerUnreachable(f"{purchase.order.seller} {why}")


def _pause(sitting: Sitting) -> float:
    return _BACKOFF[min(max(sitting.presents, 1), len(_BACKOFF)) - 1]
