"""From wanted pieces to reserved purchases: current terms per endpoint, the chain's word, the caps."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from payer.http.outcome import Answer, NoAnswer, NotSent
from payer.ledger.reserve import PricedOrder
from payer.policy.judge import judge
from payer.services import Services, View, full_url
from payer.values.crashpoints import crash_point
from payer.values.errors import OverBudget, QuoteUnacceptable, SellerUnreachable
from payer.values.identifiers import nonce, purchase_key
from payer.values.money import Asset, decimal_text
from payer.values.types import ChainView, Data, Money, Order, Purchase, Quote, Run, Terms
from payer.wire.strict_json import Malformed, parse, shown
from payer.wire.terms import parse_402

_MESSAGE_LIMIT = 4096


@dataclass(frozen=True, slots=True)
class Approved:
    """Reserved purchases, and what the chain said of each nonce before anything was signed."""

    purchases: list[Purchase]
    views: Mapping[str, View]


async def quote(services: Services, orders: Iterable[Order]) -> dict[str, Quote]:
    """Current terms by endpoint, for every order that isn't free: one not older than policy says, or a free unpaid 402.

    Raises QuoteUnacceptable or SellerUnreachable. An endpoint that answers unpaid has no entry: its order is free, and
    the body that came is kept when the order is bought.
    """
    found: dict[str, Quote] = {}
    for order in orders:
        endpoint = order.request.endpoint
        if order.free or endpoint in found:
            continue
        asset = services.asset_of(order.seller)
        kept = services.ledger.quote(endpoint, asset)
        if kept is None or not _usable(services, order, kept):
            kept = await _ask(services, order)
        found[endpoint] = kept
    return found


async def requote(services: Services, orders: Iterable[Order]) -> dict[str, Quote]:
    """Terms asked for anew, unpaid, because an answer to a payment casts doubt on those that are kept.

    Raises as `quote`. The kept ones are then believed no more, only measured against: the next bill asks again, too.
    """
    wanted = [order for order in orders if not order.free]
    stale = services.clock.now() - timedelta(seconds=services.policy.quote_max_age + 1)
    for order in wanted:
        kept = services.ledger.quote(order.request.endpoint, services.asset_of(order.seller))
        if kept is not None:
            services.ledger.put_quote(replace(kept, quoted_at=stale))
    return await quote(services, wanted)


def _usable(services: Services, order: Order, kept: Quote) -> bool:
    """Fresh enough, and still inside a policy, and the pin, that may have changed since."""
    if services.clock.now() - kept.quoted_at > timedelta(seconds=services.policy.quote_max_age):
        return False
    seller = services.policy.sellers[order.seller]
    payees = seller.pay_to or (services.ledger.payee(order.seller, kept.terms.asset),)
    if kept.terms.pay_to not in payees:
        return False
    caps = services.policy.caps[seller.pay_with]
    ceiling = min(caps.per_call, caps.highest_after(kept.measure))
    return kept.terms.amount <= min(ceiling, order.price_cap if order.price_cap is not None else ceiling)


async def _ask(services: Services, order: Order) -> Quote:
    request = order.request
    try:
        answer = await services.transport.send(request, dict(request.headers), timeout=services.patience(order.seller))
    except (NotSent, NoAnswer) as why:
        raise SellerUnreachable(f"{order.seller} did not answer at {request.url}: {why.reason}") from None
    if answer.status != 402:
        raise _no_terms(order, answer)
    terms = judge_answer(services, order, answer)
    pinned = services.ledger.pin_payee(order.seller, terms.asset, terms.pay_to, services.clock.now())
    if terms.pay_to != pinned:
        # Another process asked at the same time and was first: its payee is the one that counts.
        terms = judge_answer(services, order, answer)
    return keep_quote(services, order, terms)


def keep_quote(services: Services, order: Order, terms: Terms) -> Quote:
    """The newest terms that policy allows are the endpoint's; what they may cost is measured from the last bill."""
    return services.ledger.put_quote(Quote(order.request.endpoint, order.seller, terms, services.clock.now()))


def judge_answer(services: Services, order: Order, answer: Answer) -> Terms:
    """The terms of a 402 that policy allows for this order. Raises QuoteUnacceptable."""
    asset = services.asset_of(order.seller)
    last = services.ledger.quote(order.request.endpoint, asset)
    return judge(
        services.policy,
        order.seller,
        parse_402(answer.status, answer.headers, answer.body),
        request_url=full_url(order),
        pinned_pay_to=services.ledger.payee(order.seller, asset),
        last_price=None if last is None else last.measure,
        order_cap=order.price_cap,
        payer=services.wallet.address if services.wallet is not None else None,
    )


def _no_terms(order: Order, answer: Answer) -> Exception:
    where = order.request.endpoint
    said = _message(answer.body)
    if 200 <= answer.status < 300:
        return QuoteUnacceptable(
            f"{where} answered without asking for money, though it is declared as paid",
            advice="declare the dataset as free, or ask the seller",
        )
    if answer.status in (429,) or answer.status >= 500:
        return SellerUnreachable(f"{order.seller} answered {answer.status} at {where}{said}")
    return QuoteUnacceptable(
        f"{where} answered {answer.status} instead of terms{said}",
        advice="check the request's parameters and the seller's documentation",
    )


def _message(body: bytes) -> str:
    """A seller's own words in an error, as one may quote them."""
    try:
        document = parse(body, limit=_MESSAGE_LIMIT)
    except Malformed:
        return ""
    message = document.get("message") if isinstance(document, dict) else None
    return f": {shown(message, 200)}" if isinstance(message, str) else ""


async def approve(services: Services, run: Run, orders: Sequence[Order], quotes: Mapping[str, Quote]) -> Approved:
    """Reserve every order inside every cap, all or none, after asking the chain about each nonce (I2, I3).

    A nonce that is already used means that another machine, or this one before its ledger was lost, bought the piece:
    it comes back with that view, and is booked as spent instead of being paid beside. Raises OverBudget (caps, or a
    wallet that holds less than the bill) and ChainUnreachable, with nothing signed.
    """
    held = [services.ledger.find(purchase_key(order.request, order.edition)) for order in orders]
    wanted = [_wanted(services, order, found, quotes) for order, found in zip(orders, held, strict=True)]
    to_pay = [item for item, found in zip(wanted, held, strict=True) if found is None or _costs(found)]
    views = await _before_signing(services, to_pay)
    await _check_balance(services, to_pay)
    placed = [replace(item, from_block=_search_from(views.get(item.nonce))) for item in wanted]
    lease = services.lease(*{order.seller for order in orders})
    booked = services.ledger.reserve(
        run, placed, services.policy.caps, lease, services.loss_limits(), services.leased_elsewhere
    )
    crash_point("intent")
    seen: dict[str, View] = {p.purchase_id: views[p.nonce] for p in booked if p.nonce in views}
    in_doubt = [p for p in booked if p.purchase_id not in seen and p.data is Data.ABSENT and not p.undelivered]
    return Approved(booked, {**seen, **await services.look(p for p in in_doubt if not p.order.free)})


def _costs(held: Purchase) -> bool:
    """Whether a purchase that the ledger has is still to be paid for. What was sent once costs nothing new."""
    return held.buyable or held.money is Money.RESERVED


def _search_from(view: ChainView | None) -> int | None:
    """The block above which a nonce's use will be found. Nothing is signed yet, but blocks above the final one may
    still be replaced; a nonce that is used already was used where its settlement lies."""
    if view is None:
        return None
    return view.final_number if view.settlement is None else min(view.settlement.block_number, view.final_number)


def for_order(terms: Terms, order: Order) -> Terms:
    """An endpoint's terms as they are echoed for one order: with our own URL, not the one they were quoted for."""
    if terms.version == 1:
        return terms
    return replace(terms, resource=json.dumps({"url": full_url(order)}, separators=(",", ":")))


class _Nonces(dict[int, str]):
    """A purchase's nonce by generation, derived when asked for."""

    def __init__(self, secret: bytes, asset: Asset, key: str) -> None:
        super().__init__()
        self._of = secret, asset, key

    def __missing__(self, generation: int) -> str:
        self[generation] = nonce(*self._of, generation)
        return self[generation]


def _wanted(services: Services, order: Order, found: Purchase | None, quotes: Mapping[str, Quote]) -> PricedOrder:
    asset = services.asset_of(order.seller)
    wallet = services.signer()
    key = purchase_key(order.request, order.edition)
    terms = None if order.free else for_order(quotes[order.request.endpoint].terms, order)
    return PricedOrder(
        order=order,
        asset=asset,
        payer=wallet.address,
        nonce_of=_Nonces(wallet.nonce_secret, asset, key),
        amount=0 if terms is None else terms.amount,
        terms=terms,
        from_block=None,
        generation=0 if found is None else found.generation + (1 if found.loss_accepted else 0),
    )


async def _before_signing(services: Services, wanted: Sequence[PricedOrder]) -> dict[str, ChainView]:
    """One batched look at the nonces that may be signed now. Free orders have none to look at."""
    views: dict[str, ChainView] = {}
    for asset in {item.asset for item in wanted if item.terms is not None}:
        nonces: dict[str, int | None] = {
            item.nonce: None for item in wanted if item.asset == asset and item.terms is not None
        }
        views.update(await services.chain.look(asset, services.signer().address, nonces))
    return views


async def _check_balance(services: Services, wanted: Sequence[PricedOrder]) -> None:
    for asset in {item.asset for item in wanted if item.terms is not None}:
        bill = sum(item.amount for item in wanted if item.asset == asset)
        held = await services.chain.balance(asset, services.signer().address)
        if held < bill:
            raise OverBudget(
                f"the wallet holds {_text(held, asset)} and the bill is {_text(bill, asset)}",
                advice=f"send {asset.symbol} on {asset.network} to {services.signer().address}, or buy less",
            )


def _text(atoms: int, asset: Asset) -> str:
    return f"{decimal_text(atoms, asset.decimals)} {asset.symbol}"
