"""A 402 to a payment whose terms are others than those it was made for: what is remembered, what is followed, and how.

However often terms move, one nonce is signed, so one transfer can come of it; and never outside policy and caps.
"""

from __future__ import annotations

from payer.buy.quote import for_order, judge_answer, keep_quote
from payer.http.outcome import Answer
from payer.services import Services
from payer.values.errors import OverBudget, QuoteUnacceptable
from payer.values.events import Signed
from payer.values.types import Data, Money, Order, Purchase, Terms

_PAYMENT_REQUIRED = 402


def asked_anew(services: Services, purchase: Purchase, answer: Answer) -> tuple[Terms | None, str]:
    """The terms of a 402 to a payment, where policy allows them, or why it does not."""
    if answer.status != _PAYMENT_REQUIRED or not services.sells(purchase):
        return None, ""
    try:
        return for_order(judge_answer(services, purchase.order, answer), purchase.order), ""
    except QuoteUnacceptable as refused:
        return None, refused.what if purchase.money is Money.EXPOSED else ""


def remember(services: Services, order: Order, offered: Terms) -> None:
    """The newest acceptable terms are the endpoint's, whatever becomes of this purchase: the next bill shows them."""
    kept = services.ledger.quote(order.request.endpoint, offered.asset)
    if kept is None or (kept.terms.max_timeout, _echo(kept.terms)) != (offered.max_timeout, _echo(offered)):
        keep_quote(services, order, offered)


def still_asked(purchase: Purchase, after: Purchase) -> bool:
    """Whether the purchase stands as it did when it was presented. Another process may have booked it meanwhile."""
    in_doubt = after.money is Money.EXPOSED and after.data is Data.ABSENT
    return in_doubt and (after.authorization, after.terms) == (purchase.authorization, purchase.terms)


def sign_anew(services: Services, purchase: Purchase, offered: Terms) -> Purchase:
    """Follow terms that moved. Another price or payee is signed over the same nonce, which can settle once: the larger
    value stays reserved, inside every cap (I3). Where only the echo is another, the authorization stays as it is."""
    signed, held = purchase.terms, purchase.authorization
    assert signed is not None, "what was presented has terms"
    assert held is not None, "what was presented is signed"
    if _echo(offered) == _echo(signed) or offered.asset != purchase.asset:
        return purchase
    same_payment = (offered.amount, offered.pay_to) == (held.value, held.pay_to)
    authorization = held if same_payment else services.authorize(purchase, offered)
    event = Signed(at=services.clock.now(), authorization=authorization, terms=offered)
    try:
        lease = services.lease(purchase.order.seller)
        return services.ledger.append(purchase, event, lease=lease, caps=services.policy.caps)
    except OverBudget:
        return purchase


def _echo(terms: Terms) -> tuple[object, ...]:
    """What a seller can tell two terms apart by, in the header that pays: v1 echoes no more than the payment itself."""
    told = (terms.accepted, terms.extensions) if terms.version > 1 else ()
    return terms.version, terms.amount, terms.pay_to, *told
