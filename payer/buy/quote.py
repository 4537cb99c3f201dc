"""Quote orders: current terms per endpoint, judged by policy; signs nothing and costs nothing.

An answer that names no price is an error by its status (RFC 9110), which says who has to correct what.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from payer.context import PayerContext
from payer.http.exchange import Answer, NoAnswer, NotSent
from payer.policy.judge import judge
from payer.policy.price_drift import PriceLimit, limit_of
from payer.values.errors import NotOffered, PayerError, QuoteUnacceptable, SellerUnreachable
from payer.values.money import Asset
from payer.values.request import Order
from payer.values.terms import Quote, Terms
from payer.wire.seller_word import body_word, is_html
from payer.wire.terms import parse_402

_PAYMENT_REQUIRED = 402


async def quote(context: PayerContext, orders: Iterable[Order]) -> dict[str, Quote]:
    """Return current terms by endpoint, for every order that isn't free.

    A kept quote is used while it is younger than policy's `quote_max_age`; otherwise an unpaid request, which costs
    nothing, fetches the terms. Raises QuoteUnacceptable or SellerUnreachable.
    """
    quotes: dict[str, Quote] = {}
    for order in orders:
        endpoint = order.request.endpoint
        if order.free or endpoint in quotes:
            continue
        asset = context.policy.asset_for(order.seller)
        kept = await context.ledger.in_thread(_usable_quote, context, order, asset)
        if kept is None:
            kept = await context.ledger.in_thread(_accept_terms, context, order, await _ask(context, order))
        quotes[endpoint] = kept
    return quotes


async def requote(context: PayerContext, orders: Iterable[Order]) -> dict[str, Quote]:
    """Fetch terms again, unpaid, because an answer to a payment casts doubt on those that are kept.

    Kept quotes count as expired from then on, for the next bill too; only price drift is still measured from them.
    Raises as `quote`.
    """
    wanted = [order for order in orders if not order.free]
    await context.ledger.in_thread(_expire_quotes, context, wanted)
    return await quote(context, wanted)


def _expire_quotes(context: PayerContext, orders: Iterable[Order]) -> None:
    stale = context.clock.now() - timedelta(seconds=context.policy.quote_max_age + 1)
    for order in orders:
        kept = context.ledger.quote(order.request.endpoint, context.policy.asset_for(order.seller))
        if kept is not None:
            context.ledger.put_quote(replace(kept, quoted_at=stale))


def _usable_quote(context: PayerContext, order: Order, asset: Asset) -> Quote | None:
    """The kept quote, if it is fresh enough, and still inside policy and the pinned payee, which may have changed."""
    kept, oldest = context.ledger.quote(order.request.endpoint, asset), timedelta(seconds=context.policy.quote_max_age)
    if kept is None or context.clock.now() - kept.quoted_at > oldest:
        return None
    seller = context.policy.sellers[order.seller]
    payees = seller.pay_to or (context.ledger.payee(order.seller, kept.terms.asset),)
    if kept.terms.pay_to not in payees and not seller.any_payee:
        return None
    caps = context.policy.caps[seller.pay_with]
    ceiling = min(caps.per_call, _price_limit(context, order, kept).highest)
    highest = min(ceiling, order.price_cap if order.price_cap is not None else ceiling)
    return kept if kept.terms.amount <= highest else None


async def terms_or_answer(context: PayerContext, order: Order, *, ask_first: bool = True) -> Quote | Answer:
    """Return an order's terms; the seller's answer itself where it asks for no money, whatever its status.

    With `ask_first` the seller is asked, unpaid, even while the kept terms are fresh. Raises as `quote`.
    """
    in_thread, asset = context.ledger.in_thread, context.policy.asset_for(order.seller)
    kept = await in_thread(_usable_quote, context, order, asset)
    if kept is not None and not ask_first:
        return kept
    answer = await send_unpaid(context, order)
    if answer.status != _PAYMENT_REQUIRED:
        return answer
    return await in_thread(_keep_or_accept, context, order, kept, answer)


def _keep_or_accept(context: PayerContext, order: Order, kept: Quote | None, answer: Answer) -> Quote:
    """Return the kept terms where the answer offers the same, else accept those that it offers."""
    if kept is not None and judge_answer(context, order, answer) == kept.terms:
        return kept
    return _accept_terms(context, order, answer)


async def offered_price(context: PayerContext, order: Order) -> Terms:
    """Fetch the terms that a seller offers now, unpaid, whatever its price was before. Keeps and pins nothing.

    They are inside policy in all but price drift. Raises as `quote`.
    """
    answer = await _ask(context, order)
    return await context.ledger.in_thread(judge_answer, context, order, answer, within_drift=False)


def _accept_terms(context: PayerContext, order: Order, answer: Answer) -> Quote:
    """Judge the terms of a 402, pin a first payee, and keep them as the endpoint's quote."""
    terms = judge_answer(context, order, answer)
    if context.policy.sellers[order.seller].any_payee:
        return keep_quote(context, order, terms)
    pinned = context.ledger.pin_payee(order.seller, terms.asset, terms.pay_to, context.clock.now())
    if terms.pay_to != pinned:
        # Another process fetched terms at the same time and pinned its payee first.
        terms = judge_answer(context, order, answer)
    return keep_quote(context, order, terms)


async def _ask(context: PayerContext, order: Order) -> Answer:
    """Send an unpaid request. Raises unless it is answered by a 402."""
    answer = await send_unpaid(context, order)
    if answer.status != _PAYMENT_REQUIRED:
        raise no_terms(order, answer)
    return answer


async def send_unpaid(context: PayerContext, order: Order) -> Answer:
    """Send an order's request without a payment. Raises SellerUnreachable.

    A 402 that breaks off after its headers is an answer where they hold its terms (x402 v2).
    """
    request = order.request
    try:
        return await context.ask(order.seller, request, dict(request.headers))
    except (NotSent, NoAnswer) as why:
        if isinstance(why, NoAnswer) and why.terms is not None:
            return why.terms
        raise SellerUnreachable(f"{order.seller} did not answer at {request.url}: {why.reason}") from None


def keep_quote(context: PayerContext, order: Order, terms: Terms) -> Quote:
    """Keep the newest terms that policy allows as the endpoint's quote; return it with its last bill's price."""
    return context.ledger.put_quote(Quote(order.request.endpoint, order.seller, terms, context.clock.now()))


def judge_answer(context: PayerContext, order: Order, answer: Answer, *, within_drift: bool = True) -> Terms:
    """Return the terms of a 402 that policy allows for this order. Raises QuoteUnacceptable.

    Without `within_drift` a price may have risen as far as the other limits allow: for an operator to accept.
    """
    asset = context.policy.asset_for(order.seller)
    last = context.ledger.quote(order.request.endpoint, asset)
    return judge(
        context.policy,
        order.seller,
        parse_402(answer.status, answer.headers, answer.body, cut=answer.cut),
        request_url=order.request.full_url,
        pinned_pay_to=context.ledger.payee(order.seller, asset),
        price_limit=_price_limit(context, order, last) if last is not None and within_drift else None,
        order_cap=order.price_cap,
        payer=context.wallet.address if context.wallet is not None else None,
    )


def _price_limit(context: PayerContext, order: Order, kept: Quote) -> PriceLimit:
    return limit_of(kept, context.policy.drift_for(order.seller, order.dataset), context.clock.now())


def terms_for_order(terms: Terms, order: Order) -> Terms:
    """Return an endpoint's terms as they are echoed for one order: with its URL, not the one they were quoted for."""
    if terms.version == 1:
        return terms
    return replace(terms, resource=json.dumps({"url": order.request.full_url}, separators=(",", ":")))


_WAIT = (408, 425, 429)
_ACCESS = (401, 403, 407, 451)
_ABSENT = (404, 405, 410)
_PARAMETERS = (400, 406, 411, 413, 414, 415, 422, 431)


def no_terms(order: Order, answer: Answer) -> PayerError:
    """Return the error of an answer to an unpaid request that is no 402."""
    where, status = order.request.endpoint, answer.status
    said = f": {word}" if (word := body_word(answer.body)) else ""
    if is_html(answer.body) and status < 400:
        return SellerUnreachable(
            f"{order.seller} answered {status} at {where} with a web page instead of an API's answer{said}",
            advice="log in to this network (a captive portal?), or check the seller's base_url, then run again",
        )
    if 200 <= status < 300:
        return QuoteUnacceptable(
            f"{where} answered without asking for money, though it is declared as paid",
            advice="declare the dataset as free, or ask the seller",
        )
    if status in _WAIT or status >= 500:
        return SellerUnreachable(f"{order.seller} answered {status} at {where}{said}")
    what, advice = _refusal(order.seller, status)
    kind = QuoteUnacceptable if status < 400 else NotOffered
    return kind(f"{where} answered {status} instead of terms, {what}{said}", advice=advice)


def _refusal(seller: str, status: int) -> tuple[str, str]:
    """The meaning of a refusal's status, and what to do about it."""
    base = f"sellers.{seller}.base_url in the policy file"
    if status in _ACCESS:
        return (
            "so it wants another login or blocks this machine",
            f"x402 needs no account: check {base} and the headers of the seller's declaration; then ask the seller, "
            "who may block a country or an address",
        )
    if status in _ABSENT:
        return "so nothing is sold there", f"check {base}, and the dataset's path with the seller's documentation"
    if status in _PARAMETERS:
        return "so it can't use the request", "check the dataset's parameters with the seller's documentation"
    if 300 <= status < 400:
        return "a redirect, which is not followed", f"write the seller's own address: {base}"
    return "which x402 doesn't know", f"check {base}; if it is right, ask the seller what this answer means"
