"""Follow a 402 to a payment whose terms differ from those it was made for.

However often terms change, one nonce is signed, so at most one transfer can come of it, and never outside policy and
caps.
"""

from __future__ import annotations

from payer.buy.lease import new_lease
from payer.buy.quote import judge_answer, keep_quote, terms_for_order
from payer.context import PayerContext
from payer.http.exchange import Answer, NoAnswer, NotSent
from payer.values.errors import Frozen, OverBudget, QuoteUnacceptable
from payer.values.events import Signed
from payer.values.purchase import Data, Money, Purchase
from payer.values.request import Order
from payer.values.terms import Terms
from payer.wallet.sign import authorize

_PAYMENT_REQUIRED = 402


def offered_terms(context: PayerContext, purchase: Purchase, answer: Answer) -> tuple[Terms | None, str]:
    """Return the terms of a 402 to a payment, if policy allows them, and else the reason why not."""
    if answer.status != _PAYMENT_REQUIRED or not context.names_seller_of(purchase):
        return None, ""
    try:
        return terms_for_order(judge_answer(context, purchase.order, answer), purchase.order), ""
    except QuoteUnacceptable as refused:
        return None, refused.what if purchase.money is Money.EXPOSED else ""


async def judge_terms(context: PayerContext, purchase: Purchase, answer: Answer) -> tuple[Terms | None, str]:
    """As `offered_terms`, in the ledger's thread where the answer has terms to judge."""
    if answer.status != _PAYMENT_REQUIRED:
        return None, ""
    return await context.ledger.in_thread(offered_terms, context, purchase, answer)


async def terms_to_sign(context: PayerContext, purchase: Purchase) -> Terms:
    """Return the terms to sign a reserved purchase for: those that it was reserved for.

    A seller with `pay_to = "any"` names another payee in each 402, which counts for one payment, so it is asked again,
    unpaid. What it offers then is signed if policy allows it and no more than what is reserved is asked.
    """
    reserved = purchase.terms
    assert reserved is not None, "a priced order has terms"
    seller, request = purchase.order.seller, purchase.order.request
    if not context.policy.sellers[seller].any_payee:
        return reserved
    try:
        answer = await context.ask(seller, request, dict(request.headers))
    except (NotSent, NoAnswer):
        return reserved
    offered, _ = await judge_terms(context, purchase, answer)
    if offered is None or offered.asset != purchase.asset or offered.amount > purchase.reserved:
        return reserved
    return offered


def remember_terms(context: PayerContext, order: Order, offered: Terms) -> None:
    """Keep the newest acceptable terms as the endpoint's, so that the next bill shows them."""
    kept = context.ledger.quote(order.request.endpoint, offered.asset)
    if kept is None or (kept.terms.max_timeout, _echo(kept.terms)) != (offered.max_timeout, _echo(offered)):
        keep_quote(context, order, offered)


def is_unchanged(presented: Purchase, latest: Purchase) -> bool:
    """True if the purchase is as it was when it was presented. Another process may have booked it in the meantime."""
    in_doubt = latest.money is Money.EXPOSED and latest.data is Data.ABSENT
    return in_doubt and (latest.authorization, latest.terms) == (presented.authorization, presented.terms)


def sign_offered(context: PayerContext, purchase: Purchase, offered: Terms) -> Purchase:
    """Sign the offered terms and append that; not if they change nothing, cross a cap, are frozen, or the clock is off.

    Another price or payee is signed over the same nonce, which can settle once: the larger value stays reserved, inside
    every cap (I3). Where only the echoed terms differ, the authorization stays as it is.
    """
    terms, signed = purchase.terms, purchase.authorization
    assert terms is not None, "what was presented has terms"
    assert signed is not None, "what was presented is signed"
    if _echo(offered) == _echo(terms) or offered.asset != purchase.asset:
        return purchase
    same_payment = (offered.amount, offered.pay_to) == (signed.value, signed.pay_to)
    if not same_payment and context.clock_fault(purchase.order.seller, offered.max_timeout):
        return purchase
    now = context.clock.now()
    authorization = signed
    if not same_payment:
        authorization = authorize(context.policy, offered, payer=signed.payer, nonce=signed.nonce, now=now)
    event = Signed(at=now, authorization=authorization, terms=offered)
    try:
        lease = new_lease(context, purchase.order.seller)
        return context.ledger.append(purchase, event, lease=lease, caps=context.policy.caps)
    except (OverBudget, Frozen):
        return purchase


def _echo(terms: Terms) -> tuple[object, ...]:
    """The parts by which a seller can tell two terms apart in a payment header (v1 echoes only the payment itself)."""
    echoed = (terms.accepted, terms.extensions) if terms.version > 1 else ()
    return terms.version, terms.amount, terms.pay_to, *echoed
