"""What leaves the machine for one purchase, and what is written down before it and after.

What happens when the process dies, line by line: before `append` of Signed and Sent nothing has left the machine and
the purchase is still reserved; after it the money is exposed and the same header, derived again from the ledger, is
presented; once the answer's `append` returns, or its body lies in the spool for a recovery to book, the body is durable
(I4) and nothing is ever sent for it again (I1).
"""

from __future__ import annotations

from dataclasses import replace

from payer.buy import changed_terms as new_terms
from payer.buy import respond as answers
from payer.buy.quote import for_order
from payer.buy.record import keep
from payer.http.outcome import Answer, NoAnswer, NotSent
from payer.services import Services
from payer.values.crashpoints import crash_point
from payer.values.errors import OverBudget, SellerUnreachable
from payer.values.events import Denied, Event, Sent, Signed, Undelivered, Unsent, Void
from payer.values.types import Money, Purchase, Terms

_BACKOFF = (0.25, 0.5, 1.0, 2.0)


def sign(services: Services, purchase: Purchase) -> Purchase:
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
            services.append(purchase, Denied(at=now, reason=refused.what))
        raise
    crash_point("sent")
    return after


async def send(services: Services, purchase: Purchase) -> Purchase:
    """Present the payment once and write down what came back."""
    payment = services.present(purchase)
    answer = await _exchange(services, purchase, {payment.header_name: payment.header_value})
    if isinstance(answer, NotSent):
        return _unsent(services, purchase, answer.reason)
    if isinstance(answer, NoAnswer):
        event = answers.no_answer(answer.reason, 0.0, services.clock.now())
        return services.append(purchase, event)
    crash_point("answered")
    offered, refusal = new_terms.asked_anew(services, purchase, answer)
    after = await keep(services, purchase, answer, refusal)
    crash_point("delivered")
    if offered is None:
        return after
    new_terms.remember(services, purchase.order, offered)
    return new_terms.sign_anew(services, after, offered) if new_terms.still_asked(purchase, after) else after


async def claim(services: Services, purchase: Purchase) -> Purchase:
    """Ask for a paid body with the authorization that paid; its nonce is used, so it can't pay again."""
    terms = _claim_terms(services, purchase)
    if purchase.authorization is None and terms is None:
        event = Undelivered(at=services.clock.now(), reason="no terms are known to claim it with")
        return services.append(purchase, event)
    if purchase.claims:
        await services.clock.sleep(pause(purchase.claims))
    async with services.transport.turn(purchase.order.request):
        now = services.clock.now()
        events: list[Event] = [Sent(at=now, claim=True)]
        if purchase.authorization is None and terms is not None:
            events.insert(0, Signed(at=now, authorization=services.authorize(purchase, terms), terms=terms))
        elif purchase.authorization is not None and not purchase.paid_by(purchase.authorization):
            events = [*_that_paid(services, purchase), *events]
        return await send(services, services.append(purchase, *events))


async def fetch_free(services: Services, purchase: Purchase) -> Purchase:
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
        return services.append(purchase, Denied(at=now, reason=f"{endpoint} is declared free and asked for money"))
    return services.append(purchase, Denied(at=now, reason=f"the seller answered {answer.status} to {endpoint}"))


def pause(times: int) -> float:
    """Seconds to wait before it is sent once more, after so many times."""
    return _BACKOFF[min(max(times, 1), len(_BACKOFF)) - 1]


def _unsent(services: Services, purchase: Purchase, reason: str) -> Purchase:
    """No byte of it left. If none ever did, the money is free again; nothing was spent by this call."""
    now = services.clock.now()
    if purchase.money is Money.SPENT:
        return services.append(purchase, answers.no_answer(reason, 0.0, now))
    after = services.append(purchase, Unsent(at=now, reason=reason))
    if after.money is Money.RESERVED:
        services.append(after, Void(at=now, reason=f"never sent: {reason}"))
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


def _silent(services: Services, purchase: Purchase, why: str) -> SellerUnreachable:
    """A free order that got no answer is given up for now: it carries no money, and may be asked for again."""
    services.append(purchase, Void(at=services.clock.now(), reason=why))
    return SellerUnreachable(f"{purchase.order.seller} {why}")
