"""Approve a bill: look at each nonce and the wallet's balance on the chain, then reserve all orders inside the caps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from payer.buy.lease import leased_elsewhere, new_lease
from payer.buy.look import look
from payer.buy.quote import terms_for_order
from payer.context import PayerContext
from payer.elsewhere import count_elsewhere
from payer.ledger.reserve import PricedOrder
from payer.policy.clock_skew import CLOCK_ADVICE
from payer.values.chain_view import ChainView, View
from payer.values.crashpoints import crash_point
from payer.values.errors import OverBudget, Refused
from payer.values.identifiers import nonce, purchase_key
from payer.values.money import Amount, Asset
from payer.values.purchase import Data, Money, Purchase
from payer.values.request import Order, Run
from payer.values.terms import Quote


@dataclass(frozen=True, slots=True)
class Approved:
    """Reserved purchases, and the chain's view of each nonce before anything was signed, by purchase id."""

    purchases: list[Purchase]
    views: Mapping[str, View]


async def approve(context: PayerContext, run: Run, orders: Sequence[Order], quotes: Mapping[str, Quote]) -> Approved:
    """Reserve every order inside every cap, all or none, after a look at each nonce on the chain (I2, I3), and at what
    the wallet paid elsewhere.

    A used nonce means that another machine, or this one before its ledger was lost, bought the piece: its view is
    returned, so that the purchase is booked as spent and not paid a second time. Raises OverBudget (a cap, or a wallet
    that holds less than the bill), Refused (a wrong clock), Misconfigured (a token that differs from policy's, or does
    not take this wallet's signatures), ChainUnreachable and LedgerDamaged, with nothing signed.
    """
    existing = await context.ledger.in_thread(_existing, context, orders)
    wanted = [_wanted(context, order, purchase, quotes) for order, purchase in zip(orders, existing, strict=True)]
    # One that was sent already costs nothing more.
    to_pay: dict[Asset, list[PricedOrder]] = {}
    for item, purchase in zip(wanted, existing, strict=True):
        if item.terms and (purchase is None or purchase.buyable or purchase.money is Money.RESERVED):
            to_pay.setdefault(item.asset, []).append(item)
    views: dict[str, ChainView] = {}
    for asset, items in to_pay.items():
        views |= await context.chain.look(asset, context.signer().address, dict.fromkeys(item.nonce for item in items))
    for asset in to_pay:
        await context.check_token(asset)
        await context.check_account(asset)
    _check_clock(context, [item for items in to_pay.values() for item in items], views)
    await count_elsewhere(context, run.started_at, to_pay)
    for asset, items in to_pay.items():
        await _check_balance(context, asset, sum(item.amount for item in items))
    placed = [replace(item, from_block=_search_from(views.get(item.nonce))) for item in wanted]
    lease = new_lease(context, *{order.seller for order in orders})
    limits, elsewhere = context.loss_limits(), partial(leased_elsewhere, context)
    reserved = await context.ledger.in_thread(
        context.ledger.reserve, run, placed, context.policy.caps, lease, limits, elsewhere
    )
    crash_point("intent")
    seen: dict[str, View] = {p.purchase_id: views[p.nonce] for p in reserved if p.nonce in views}
    in_doubt = [p for p in reserved if p.purchase_id not in seen and p.data is Data.ABSENT and not p.undelivered]
    return Approved(reserved, {**seen, **await look(context, (p for p in in_doubt if not p.order.free))})


def _existing(context: PayerContext, orders: Sequence[Order]) -> list[Purchase | None]:
    """Find the purchase of each order in a ledger that is intact. Raises LedgerDamaged."""
    context.ledger.require_intact()
    return context.ledger.find_each([purchase_key(order.request, order.edition) for order in orders])


def _search_from(view: ChainView | None) -> int | None:
    """Return the block from which to search for the nonce's use: where it was settled, or the final block.

    Nothing is signed yet, but blocks above the final one may still be replaced.
    """
    if view is None:
        return None
    return view.final_number if view.settlement is None else min(view.settlement.block_number, view.final_number)


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
        drift=None if order.free else context.policy.drift_for(order.seller, order.dataset),
        generation=0 if existing is None else existing.generation + (1 if existing.loss_accepted else 0),
    )


def _check_clock(context: PayerContext, wanted: Sequence[PricedOrder], views: Mapping[str, ChainView]) -> None:
    """Raise Refused where our clock is further from the seller's or the newest block's than what is signed allows."""
    head_time = max((view.head_time for view in views.values()), default=None)
    for seller, max_timeout in {(item.order.seller, item.terms.max_timeout) for item in wanted if item.terms}:
        if fault := context.clock_fault(seller, max_timeout, head_time):
            raise Refused(fault, advice=CLOCK_ADVICE)


async def _check_balance(context: PayerContext, asset: Asset, bill: int) -> None:
    held = await context.chain.balance(asset, context.signer().address)
    if held < bill:
        raise OverBudget(
            f"the wallet holds {Amount(held, asset)} and the bill is {Amount(bill, asset)}",
            advice=f"send {asset.symbol} on {asset.network} to {context.signer().address}, or buy less",
        )
