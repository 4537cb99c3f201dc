"""Quote orders and reserve them: current terms per endpoint, a look at each nonce, the caps."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from payer.buy.lease import leased_elsewhere, new_lease
from payer.buy.look import look
from payer.context import PayerContext
from payer.http.outcome import Answer, NoAnswer, NotSent
from payer.ledger.reserve import PricedOrder
from payer.policy.judge import judge
from payer.values.chain_view import ChainView, View
from payer.values.crashpoints import crash_point
from payer.values.errors import OverBudget, QuoteUnacceptable, SellerUnreachable
from payer.values.identifiers import nonce, purchase_key
from payer.values.money import Asset, decimal_text
from payer.values.purchase import Data, Money, Purchase
from payer.values.request import Order, Run
from payer.values.terms import Quote, Terms
from payer.wire.strict_json import Malformed, parse, shown
from payer.wire.terms import parse_402

_MESSAGE_LIMIT = 4096


@dataclass(frozen=True, slots=True)
class Approved:
    """Reserved purchases, and the chain's view of each nonce before anything was signed, by purchase id."""

    purchases: list[Purchase]
    views: Mapping[str, View]


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
        kept = context.ledger.quote(endpoint, asset)
        if kept is None or not _is_usable(context, order, kept):
            kept = await _fetch_terms(context, order)
        quotes[endpoint] = kept
    return quotes


async def requote(context: PayerContext, orders: Iterable[Order]) -> dict[str, Quote]:
    """Fetch terms again, unpaid, because an answer to a payment casts doubt on those that are kept.

    Kept quotes count as expired from then on, for the next bill too; only price drift is still measured from them.
    Raises as `quote`.
    """
    wanted = [order for order in orders if not order.free]
    stale = context.clock.now() - timedelta(seconds=context.policy.quote_max_age + 1)
    for order in wanted:
        kept = context.ledger.quote(order.request.endpoint, context.policy.asset_for(order.seller))
        if kept is not None:
            context.ledger.put_quote(replace(kept, quoted_at=stale))
    return await quote(context, wanted)


def _is_usable(context: PayerContext, order: Order, kept: Quote) -> bool:
    """Whether a kept quote is fresh enough, and still inside policy and the pinned payee, which may have changed."""
    if context.clock.now() - kept.quoted_at > timedelta(seconds=context.policy.quote_max_age):
        return False
    seller = context.policy.sellers[order.seller]
    payees = seller.pay_to or (context.ledger.payee(order.seller, kept.terms.asset),)
    if kept.terms.pay_to not in payees:
        return False
    caps = context.policy.caps[seller.pay_with]
    ceiling = min(caps.per_call, caps.highest_after(kept.measure))
    return kept.terms.amount <= min(ceiling, order.price_cap if order.price_cap is not None else ceiling)


async def _fetch_terms(context: PayerContext, order: Order) -> Quote:
    request = order.request
    try:
        answer = await context.transport.send(
            request, dict(request.headers), timeout=context.answer_timeout(order.seller)
        )
    except (NotSent, NoAnswer) as why:
        raise SellerUnreachable(f"{order.seller} did not answer at {request.url}: {why.reason}") from None
    if answer.status != 402:
        raise _no_terms(order, answer)
    terms = judge_answer(context, order, answer)
    pinned = context.ledger.pin_payee(order.seller, terms.asset, terms.pay_to, context.clock.now())
    if terms.pay_to != pinned:
        # Another process fetched terms at the same time and pinned its payee first.
        terms = judge_answer(context, order, answer)
    return keep_quote(context, order, terms)


def keep_quote(context: PayerContext, order: Order, terms: Terms) -> Quote:
    """Keep the newest terms that policy allows as the endpoint's quote; return it with its last bill's price."""
    return context.ledger.put_quote(Quote(order.request.endpoint, order.seller, terms, context.clock.now()))


def judge_answer(context: PayerContext, order: Order, answer: Answer) -> Terms:
    """Return the terms of a 402 that policy allows for this order. Raises QuoteUnacceptable."""
    asset = context.policy.asset_for(order.seller)
    last = context.ledger.quote(order.request.endpoint, asset)
    return judge(
        context.policy,
        order.seller,
        parse_402(answer.status, answer.headers, answer.body),
        request_url=order.request.full_url,
        pinned_pay_to=context.ledger.payee(order.seller, asset),
        last_price=None if last is None else last.measure,
        order_cap=order.price_cap,
        payer=context.wallet.address if context.wallet is not None else None,
    )


def _no_terms(order: Order, answer: Answer) -> Exception:
    where = order.request.endpoint
    message = _message(answer.body)
    if 200 <= answer.status < 300:
        return QuoteUnacceptable(
            f"{where} answered without asking for money, though it is declared as paid",
            advice="declare the dataset as free, or ask the seller",
        )
    if answer.status in (429,) or answer.status >= 500:
        return SellerUnreachable(f"{order.seller} answered {answer.status} at {where}{message}")
    return QuoteUnacceptable(
        f"{where} answered {answer.status} instead of terms{message}",
        advice="check the request's parameters and the seller's documentation",
    )


def _message(body: bytes) -> str:
    """The seller's error message, shortened and escaped so that it can be quoted."""
    try:
        document = parse(body, limit=_MESSAGE_LIMIT)
    except Malformed:
        return ""
    message = document.get("message") if isinstance(document, dict) else None
    return f": {shown(message, 200)}" if isinstance(message, str) else ""


async def approve(context: PayerContext, run: Run, orders: Sequence[Order], quotes: Mapping[str, Quote]) -> Approved:
    """Reserve every order inside every cap, all or none, after a look at each nonce on the chain (I2, I3).

    A used nonce means that another machine, or this one before its ledger was lost, bought the piece: its view is
    returned, so that the purchase is booked as spent and not paid a second time. Raises OverBudget (a cap, or a wallet
    that holds less than the bill) and ChainUnreachable, with nothing signed.
    """
    existing = [context.ledger.find(purchase_key(order.request, order.edition)) for order in orders]
    wanted = [_wanted(context, order, purchase, quotes) for order, purchase in zip(orders, existing, strict=True)]
    to_pay = [item for item, purchase in zip(wanted, existing, strict=True) if purchase is None or _costs(purchase)]
    views = await _views_before_signing(context, to_pay)
    await _check_balance(context, to_pay)
    placed = [replace(item, from_block=_search_from(views.get(item.nonce))) for item in wanted]
    lease = new_lease(context, *{order.seller for order in orders})
    reserved = context.ledger.reserve(
        run, placed, context.policy.caps, lease, context.loss_limits(), partial(leased_elsewhere, context)
    )
    crash_point("intent")
    seen: dict[str, View] = {p.purchase_id: views[p.nonce] for p in reserved if p.nonce in views}
    in_doubt = [p for p in reserved if p.purchase_id not in seen and p.data is Data.ABSENT and not p.undelivered]
    return Approved(reserved, {**seen, **await look(context, (p for p in in_doubt if not p.order.free))})


def _costs(existing: Purchase) -> bool:
    """Whether a purchase in the ledger is still to be paid for. One that was sent already costs nothing more."""
    return existing.buyable or existing.money is Money.RESERVED


def _search_from(view: ChainView | None) -> int | None:
    """Return the block from which to search for the nonce's use: where it was settled, or the final block.

    Nothing is signed yet, but blocks above the final one may still be replaced.
    """
    if view is None:
        return None
    return view.final_number if view.settlement is None else min(view.settlement.block_number, view.final_number)


def terms_for_order(terms: Terms, order: Order) -> Terms:
    """Return an endpoint's terms as they are echoed for one order: with its URL, not the one they were quoted for."""
    if terms.version == 1:
        return terms
    return replace(terms, resource=json.dumps({"url": order.request.full_url}, separators=(",", ":")))


class _Nonces(dict[int, str]):
    """A purchase's nonce by generation, derived on first use."""

    def __init__(self, secret: bytes, asset: Asset, key: str) -> None:
        super().__init__()
        self._fields = secret, asset, key

    def __missing__(self, generation: int) -> str:
        self[generation] = nonce(*self._fields, generation)
        return self[generation]


def _wanted(context: PayerContext, order: Order, existing: Purchase | None, quotes: Mapping[str, Quote]) -> PricedOrder:
    asset = context.policy.asset_for(order.seller)
    wallet = context.signer()
    key = purchase_key(order.request, order.edition)
    terms = None if order.free else terms_for_order(quotes[order.request.endpoint].terms, order)
    return PricedOrder(
        order=order,
        asset=asset,
        payer=wallet.address,
        nonce_of=_Nonces(wallet.nonce_secret, asset, key),
        amount=0 if terms is None else terms.amount,
        terms=terms,
        from_block=None,
        generation=0 if existing is None else existing.generation + (1 if existing.loss_accepted else 0),
    )


async def _views_before_signing(context: PayerContext, wanted: Sequence[PricedOrder]) -> dict[str, ChainView]:
    """Look at the nonces that may be signed now, one batch per asset. Free orders have none."""
    views: dict[str, ChainView] = {}
    for asset in {item.asset for item in wanted if item.terms is not None}:
        nonces: dict[str, int | None] = {
            item.nonce: None for item in wanted if item.asset == asset and item.terms is not None
        }
        views.update(await context.chain.look(asset, context.signer().address, nonces))
    return views


async def _check_balance(context: PayerContext, wanted: Sequence[PricedOrder]) -> None:
    for asset in {item.asset for item in wanted if item.terms is not None}:
        bill = sum(item.amount for item in wanted if item.asset == asset)
        held = await context.chain.balance(asset, context.signer().address)
        if held < bill:
            raise OverBudget(
                f"the wallet holds {_text(held, asset)} and the bill is {_text(bill, asset)}",
                advice=f"send {asset.symbol} on {asset.network} to {context.signer().address}, or buy less",
            )


def _text(atoms: int, asset: Asset) -> str:
    return f"{decimal_text(atoms, asset.decimals)} {asset.symbol}"
