"""Sign, send and claim one purchase, and append to the ledger before and after each request.

If the process dies before `append` of Signed and Sent returns, nothing has left the machine and the purchase is still
reserved. After it the money is exposed, and the same header, derived again from the ledger, is presented. Once the
answer's `append` returns, or its body lies in the spool for a recovery to book, the body is durable (I4) and nothing is
ever sent for it again (I1).

A remote signer is asked after Signed and Sent are booked, or before Sent where the authorization was booked earlier. If
it fails, or the process dies while it is asked, nothing has left: the first is booked as unsent, the second is exposed
until the chain or the seller says more.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

from payer.buy.changed_terms import is_unchanged, judge_terms, remember_terms, sign_offered
from payer.buy.lease import append, appended, new_lease
from payer.buy.quote import terms_for_order
from payer.buy.record import is_unjudged, judge_body, record_answer, record_failure, without_answer
from payer.context import PayerContext
from payer.http.exchange import Answer, NoAnswer, NotSent
from payer.policy.clock_skew import CLOCK_ADVICE
from payer.values.crashpoints import crash_point
from payer.values.errors import Frozen, OverBudget, Refused, SellerUnreachable, SignerRefused, SignerUnreachable
from payer.values.events import Denied, Sent, Signed, Undelivered, Unsent, Void
from payer.values.purchase import Money, Purchase
from payer.values.terms import SignedPayment, Terms
from payer.wallet.sign import authorize, present

_UNSHARED = {"cache-control": "no-store"}
"""Keeps a paid answer out of every cache between the seller and us, which could hand it to others."""

_EXPIRED = "expired while it was booked"
_STOPPED = "the run was stopped before it was sent"

_BACKOFF_SECONDS = (0.25, 0.5, 1.0, 2.0)


@asynccontextmanager
async def turn(context: PayerContext, purchase: Purchase) -> AsyncIterator[None]:
    """Wait for the seller's turn, then count the payment as on its way. Raises Interrupted while nothing has begun."""
    async with AsyncExitStack() as held:
        async with context.stop.interruptible():
            await held.enter_async_context(context.transport.turn(purchase.order.request))
        context.stop.check()
        with context.stop.payment():
            yield


def sign(context: PayerContext, purchase: Purchase, terms: Terms) -> Purchase:
    """Append what is about to be signed for these terms and sent. Nothing leaves the machine before this has returned.

    Raises OverBudget when the seller's loss limit is reached, Frozen when an operator froze the seller, and Refused
    when an answer has shown that our clock is wrong; a reserved purchase is void then.
    """
    now = context.clock.now()
    if fault := context.clock_fault(purchase.order.seller, terms.max_timeout):
        _deny(context, purchase, fault)
        raise Refused(fault, advice=CLOCK_ADVICE)
    authorization = authorize(context.policy, terms, payer=purchase.payer, nonce=purchase.nonce, now=now)
    crash_point("signed")
    events = Signed(at=now, authorization=authorization, terms=terms), Sent(at=now)
    seller = purchase.order.seller
    limit = context.loss_limits().get(seller)
    try:
        sent = context.ledger.append(purchase, *events, lease=new_lease(context, seller), loss_limit=limit)
    except (OverBudget, Frozen) as refused:
        _deny(context, purchase, refused.what)
        raise
    crash_point("sent")
    return sent


def _deny(context: PayerContext, purchase: Purchase, reason: str) -> None:
    """Void a purchase of which nothing was signed yet."""
    if purchase.money is Money.RESERVED:
        append(context, purchase, Denied(at=context.clock.now(), reason=reason))


async def send_signed(context: PayerContext, purchase: Purchase) -> Purchase:
    """Have the payment signed that `sign` has booked, and send it. One that has expired while the ledger booked it is
    not sent, as in `send`. Raises as `send`, and SignerUnreachable or SignerRefused when it is not signed: not one byte
    left. So does Interrupted, when the run was stopped while the ledger booked it or the signer signed (I11)."""
    if _has_expired(context, purchase):
        return await appended(context, purchase, Unsent(at=context.clock.now(), reason=_EXPIRED))
    try:
        payment = await signed_payment(context, purchase)
    except (SignerUnreachable, SignerRefused) as failed:
        await context.ledger.in_thread(_book_unsent, context, purchase, failed.what)
        raise
    crash_point("payment.signed")
    if context.stop.requested:
        await context.ledger.in_thread(_book_unsent, context, purchase, _STOPPED)
        context.stop.check()
    return await send(context, purchase, payment)


async def send_again(context: PayerContext, purchase: Purchase) -> Purchase:
    """Present the booked authorization again. Raises as `send_signed`; then nothing was booked."""
    payment = await signed_payment(context, purchase)
    context.stop.check()
    return await send(context, await appended(context, purchase, Sent(at=context.clock.now())), payment)


async def signed_payment(context: PayerContext, purchase: Purchase) -> SignedPayment:
    """Sign the booked authorization. Raises SignerRefused, and SignerUnreachable, also for one that came too late."""
    payment = await present(context.signer(), purchase)
    if context.clock.now().timestamp() < payment.authorization.valid_before or purchase.money is Money.SPENT:
        return payment
    raise SignerUnreachable(
        "the signer took so long that the authorization has run out; nothing was sent",
        advice="let the signer sign without asking a person (rules in Clef), or raise payment.validity_seconds",
    )


async def send(context: PayerContext, purchase: Purchase, payment: SignedPayment) -> Purchase:
    """Send the payment once and append what came back.

    Nothing is sent, and the purchase returned as not sent, where the ledger took so long to book the payment that it
    has expired. Raises SellerUnreachable when not one byte of any attempt left the machine, and Unbooked when the
    answer can't be written down.
    """
    in_thread = context.ledger.in_thread
    if _has_expired(context, purchase):
        return await appended(context, purchase, Unsent(at=context.clock.now(), reason=_EXPIRED))
    answer = await _exchange(context, purchase, {payment.header_name: payment.header_value, **_UNSHARED})
    if isinstance(answer, NotSent):
        return await in_thread(_unsent, context, purchase, answer.reason)
    if isinstance(answer, NoAnswer):
        return await record_failure(context, purchase, answer)
    crash_point("answered")
    offered, refusal = await judge_terms(context, purchase, answer)
    recorded = await record_answer(context, purchase, answer, refusal)
    crash_point("delivered")
    if offered is None:
        return await in_thread(judge_body, context, recorded) if is_unjudged(context, recorded) else recorded
    await in_thread(remember_terms, context, purchase.order, offered)
    return await in_thread(sign_offered, context, recorded, offered) if is_unchanged(purchase, recorded) else recorded


async def claim(context: PayerContext, purchase: Purchase) -> Purchase:
    """Ask for a paid body with the authorization that paid; its nonce is used, so it can't pay again.

    Where this ledger never signed for the nonce, it signs now, as for a payment: that the nonce is used is a chain
    server's word. Raises OverBudget when a cap or the seller's loss limit forbids it; the claim is due again later.
    """
    terms = await context.ledger.in_thread(_claim_terms, context, purchase)
    if purchase.authorization is None and terms is None:
        event = Undelivered(at=context.clock.now(), reason="no terms are known to claim it with")
        return await appended(context, purchase, event)
    if purchase.claims:
        await context.clock.sleep(pause(purchase.claims))
    async with turn(context, purchase):
        purchase = await context.ledger.in_thread(_sign_claim, context, purchase, terms)
        payment = await signed_payment(context, purchase)
        context.stop.check()
        return await send(context, await appended(context, purchase, Sent(at=context.clock.now(), claim=True)), payment)


def _sign_claim(context: PayerContext, purchase: Purchase, terms: Terms | None) -> Purchase:
    """Append the signature that the claim is made with, where it is not the purchase's newest.

    A first one is appended inside every cap and the seller's loss limit. Among several over the nonce, the one that
    settled is the one to claim with.
    """
    now, seller = context.clock.now(), purchase.order.seller
    if purchase.authorization is None and terms is not None:
        authorization = authorize(context.policy, terms, payer=purchase.payer, nonce=purchase.nonce, now=now)
        event = Signed(at=now, authorization=authorization, terms=terms)
        lease, limit = new_lease(context, seller), context.loss_limits().get(seller)
        return context.ledger.append(purchase, event, lease=lease, caps=context.policy.caps, loss_limit=limit)
    if purchase.paid_by(purchase.authorization):
        return purchase
    signed = [event for event in context.ledger.events(purchase.purchase_id) if isinstance(event, Signed)]
    paid = [event for event in signed if purchase.paid_by(event.authorization)]
    return append(context, purchase, replace(paid[-1], at=now)) if paid else purchase


async def fetch_free(context: PayerContext, purchase: Purchase) -> Purchase:
    """Buy an order that costs nothing. A demand for money is refused.

    Raises SellerUnreachable when the seller is busy or silent; the purchase is void then, and may be ordered again.
    """
    in_thread = context.ledger.in_thread
    answer = await _exchange(context, purchase, {})
    now, endpoint = context.clock.now(), purchase.order.request.endpoint
    if isinstance(answer, NotSent | NoAnswer):
        raise await in_thread(_give_up_free, context, purchase, f"did not answer at {endpoint}: {answer.reason}")
    if 200 <= answer.status < 300:
        return await in_thread(judge_body, context, await record_answer(context, purchase, answer))
    if answer.status == 429 or answer.status >= 500:
        raise await in_thread(_give_up_free, context, purchase, f"answered {answer.status} at {endpoint}")
    reason = f"the seller answered {answer.status} to {endpoint}"
    if answer.status == 402:
        reason = f"{endpoint} is declared free and asked for money"
    return await appended(context, purchase, Denied(at=now, reason=reason))


def _has_expired(context: PayerContext, purchase: Purchase) -> bool:
    """True for a payment that no seller can settle any more; a claim moves no money, and is good at any time."""
    signed = purchase.authorization
    if signed is None or purchase.money is not Money.EXPOSED:
        return False
    return context.clock.now().timestamp() >= signed.valid_before


def pause(times: int) -> float:
    """Seconds to wait before the next attempt, after so many."""
    return _BACKOFF_SECONDS[min(max(times, 1), len(_BACKOFF_SECONDS)) - 1]


def _unsent(context: PayerContext, purchase: Purchase, reason: str) -> Purchase:
    """Append that no byte of this attempt left. If no earlier one left either, the money is free again."""
    if purchase.money is Money.SPENT:
        return append(context, purchase, without_answer(reason, context.clock.now()))
    unsent = _book_unsent(context, purchase, reason)
    if unsent.money is Money.VOID:
        raise SellerUnreachable(
            f"{purchase.order.seller} could not be reached at {purchase.order.request.url}: {reason}"
        )
    return unsent


def _book_unsent(context: PayerContext, purchase: Purchase, reason: str) -> Purchase:
    """Append that this attempt left nothing; the purchase is void if no earlier one left anything either."""
    now = context.clock.now()
    unsent = append(context, purchase, Unsent(at=now, reason=reason))
    if unsent.money is not Money.RESERVED:
        return unsent
    return append(context, unsent, Void(at=now, reason=f"never sent: {reason}"))


async def _exchange(context: PayerContext, purchase: Purchase, headers: dict[str, str]) -> Answer | NotSent | NoAnswer:
    request = purchase.order.request
    sent = {name: value for name, value in request.headers if name.lower() not in headers} | headers
    try:
        return await context.ask(purchase.order.seller, request, sent)
    except (NotSent, NoAnswer) as outcome:
        return outcome


def _claim_terms(context: PayerContext, purchase: Purchase) -> Terms | None:
    if purchase.terms is not None:
        return purchase.terms
    quote = context.ledger.quote(purchase.order.request.endpoint, purchase.asset)
    return None if quote is None else terms_for_order(quote.terms, purchase.order)


def _give_up_free(context: PayerContext, purchase: Purchase, why: str) -> SellerUnreachable:
    """Void a free order that got no answer: it carries no money, and may be ordered again."""
    append(context, purchase, Void(at=context.clock.now(), reason=why))
    return SellerUnreachable(f"{purchase.order.seller} {why}")
