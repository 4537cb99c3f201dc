"""The loop that buys one piece: decide, act, append. Whatever kills it, the same loop goes on from the ledger.

What happens when the process dies, line by line: before `append` of Signed and Sent nothing has left the machine and
the purchase is still reserved; after it the money is exposed and the same header, derived again from the ledger, is
presented; once the answer's `append` returns, or its body lies in the spool for a recovery to book, the body is durable
(I4) and nothing is ever sent for it again (I1).
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import assert_never

from tollbook.crashpoints import crash_point
from tollbook.payer import answers, decide
from tollbook.payer.decide import NotSeen, Sitting, next_action
from tollbook.payer.errors import OverBudget, PaidUndelivered, QuoteUnacceptable, Refused, SellerUnreachable, Unresolved
from tollbook.payer.events import Denied, Event, Sent, Settled, Signed, Undelivered, Unsent, Unsettled, Void
from tollbook.payer.keeping import keep
from tollbook.payer.ledger import Conflict
from tollbook.payer.quoting import judge_answer
from tollbook.payer.services import Services, View, full_url
from tollbook.payer.transport import Answer, NoAnswer, NotSent
from tollbook.payer.types import Data, Money, Purchase, Quote, Terms

_BACKOFF = (0.25, 0.5, 1.0, 2.0)
_POLLS = (0.2, 0.4, 0.8, 1.6)


async def buy(services: Services, purchase: Purchase, view: View = NotSeen.UNREAD) -> Purchase:
    """Carry one purchase as far as it goes now: delivered, void, undelivered, or parked with its money exposed.

    A delivered one comes back with its money still exposed: `recover.verify` proves many in one look at the chain.

    Raises PaidUndelivered, or Unresolved when it stays in doubt; both leave the ledger saying so. Raises Refused when
    the seller's answer to an unpaid order asks for money.
    """
    sitting, polls = _first_sitting(services, purchase), 0
    while purchase.data is Data.ABSENT:
        if services.leased_elsewhere(purchase) and _busy(purchase):
            await services.clock.sleep(_POLLS[min(polls, len(_POLLS) - 1)])
            purchase, polls = _reread(services, purchase), polls + 1
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
                case decide.Sign():
                    async with services.transport.turn(purchase.order.request):
                        purchase = await _send(services, _sign(services, purchase))
                    sitting, view = Sitting(sitting.presents + 1), NotSeen.UNREAD
                case decide.Present():
                    await services.clock.sleep(_pause(sitting))
                    async with services.transport.turn(purchase.order.request):
                        now = services.clock.now()
                        if next_action(purchase, now.timestamp(), view, services.limits, sitting) != action:
                            continue
                        purchase = await _send(services, _append(services, purchase, Sent(at=now)))
                    sitting, view = Sitting(sitting.presents + 1), NotSeen.UNREAD
                case decide.Claim():
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
    """Another wallet's payment can't be presented by this one; the chain can be looked at all the same."""
    return Sitting() if services.holds_key_of(purchase) else Sitting(presents=services.limits.presents)


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
    after = _append(services, purchase, Signed(at=now, authorization=authorization, terms=terms), Sent(at=now))
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
    offered, refusal = _asked_anew(services, purchase, answer)
    after = await keep(services, purchase, answer, refusal)
    crash_point("delivered")
    return after if offered is None else _sign_anew(services, after, offered)


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


def _asked_anew(services: Services, purchase: Purchase, answer: Answer) -> tuple[Terms | None, str]:
    """New terms in a 402 to a sent payment that may be signed, or why they may not. The same terms are neither."""
    signed = purchase.terms
    if answer.status != 402 or signed is None or purchase.money is not Money.EXPOSED:
        return None, ""
    try:
        offered = judge_answer(services, purchase.order, answer)
    except QuoteUnacceptable as refused:
        return None, refused.what
    same_payment = (offered.pay_to, offered.asset) == (signed.pay_to, purchase.asset)
    moved = offered.amount != signed.amount and same_payment
    return (offered if moved else None), ""


def _sign_anew(services: Services, purchase: Purchase, offered: Terms) -> Purchase:
    """Another value over the same nonce: it can settle once. The larger stays reserved, inside every cap (I3)."""
    now = services.clock.now()
    signed = Signed(at=now, authorization=services.authorize(purchase, offered), terms=offered)
    try:
        after = services.ledger.append(
            purchase, signed, lease=services.lease(purchase.order.seller), caps=services.policy.caps
        )
    except OverBudget:
        return purchase
    services.ledger.put_quote(Quote(purchase.order.request.endpoint, purchase.order.seller, offered, now))
    return after


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
        return await _send(services, _append(services, purchase, *events))


def _claim_terms(services: Services, purchase: Purchase) -> Terms | None:
    if purchase.terms is not None:
        return purchase.terms
    quote = services.ledger.quote(purchase.order.request.endpoint, purchase.asset)
    return None if quote is None else replace(quote.terms, resource=resource_of(purchase))


def resource_of(purchase: Purchase) -> str:
    """The v2 resource echoed with a payment: our own URL, not the one a quote was asked for."""
    return json.dumps({"url": full_url(purchase.order)}, separators=(",", ":"))


async def _fetch_free(services: Services, purchase: Purchase) -> Purchase:
    """An order that costs nothing. Asked for money, it is refused."""
    answer = await _exchange(services, purchase, {})
    now = services.clock.now()
    if isinstance(answer, NotSent | NoAnswer):
        event: Event = Denied(at=now, reason=f"the seller did not answer: {answer.reason}")
    elif 200 <= answer.status < 300:
        return await keep(services, purchase, answer)
    elif answer.status == 402:
        event = Denied(at=now, reason=f"{purchase.order.request.endpoint} is declared free and asked for money")
    else:
        event = Denied(at=now, reason=f"the seller answered {answer.status} to {purchase.order.request.endpoint}")
    return _append(services, purchase, event)


def _pause(sitting: Sitting) -> float:
    return _BACKOFF[min(max(sitting.presents, 1), len(_BACKOFF)) - 1]
