"""The payer as its callers use it: quote, approve, buy, verify, recover, reconcile. Each step has its own module."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from payer.buy import approve, buy, quote
from payer.buy.approve import Approved
from payer.chain.chain import Progress, unwatched
from payer.context import PayerContext
from payer.elsewhere import bought_elsewhere
from payer.settle import reconcile, recover
from payer.settle.reconcile import Reconciled
from payer.settle.recover import Recovered
from payer.values.chain_view import NotSeen, View
from payer.values.events import LossAccepted
from payer.values.money import Asset
from payer.values.purchase import Purchase
from payer.values.request import Order, Run
from payer.values.terms import Quote, Terms


class Payer:
    """Buys each order at most once, whatever crashes: no transfer twice, nothing outside policy, no body lost."""

    def __init__(self, context: PayerContext) -> None:
        self.context = context

    async def quote(self, orders: Iterable[Order]) -> dict[str, Quote]:
        """Return current terms by endpoint, without a key. Raises QuoteUnacceptable, SellerUnreachable."""
        return await quote.quote(self.context, orders)

    async def requote(self, orders: Iterable[Order]) -> dict[str, Quote]:
        """Fetch terms again where the kept ones are in doubt. Raises as `quote`."""
        return await quote.requote(self.context, orders)

    async def offered_price(self, order: Order) -> Terms:
        """Fetch the terms offered now, for an operator to accept a price that rose further than policy allows."""
        return await quote.offered_price(self.context, order)

    async def approve(self, run: Run, orders: Sequence[Order], quotes: Mapping[str, Quote]) -> Approved:
        """Reserve all orders inside every cap, or none. Raises OverBudget, ChainUnreachable."""
        return await approve.approve(self.context, run, orders, quotes)

    def bought_elsewhere(self, orders: Sequence[Order], asset: Asset, run: Run) -> set[str]:
        """Return the purchase keys of orders that another home of the wallet paid for, as far as they were counted."""
        paid = [order for order in orders if not order.free]
        return bought_elsewhere(self.context.ledger, self.context.signer(), asset, paid, run.started_at)

    async def buy(self, purchase: Purchase, view: View = NotSeen.UNREAD) -> Purchase:
        """Carry one purchase as far as it goes now. Raises Unresolved, PaidUndelivered, Refused, SellerUnreachable."""
        return await buy.buy(self.context, purchase, view)

    async def verify(self, purchases: Sequence[Purchase]) -> list[Purchase]:
        """Book what the chain proves of delivered purchases, in one batched look."""
        return await recover.verify(self.context, purchases)

    async def recover(self, flow: str | None = None) -> Recovered:
        """Claim, void or leave in doubt every open purchase (of one flow, or all)."""
        return await recover.recover(self.context, flow)

    async def reconcile(self, asset: Asset, *, rescan: bool = False, progress: Progress = unwatched) -> Reconciled:
        """Compare ledger and chain to the atomic unit, closed to a block. Raises ChainUnreachable."""
        return await reconcile.reconcile(self.context, asset, rescan=rescan, progress=progress)

    def release(self, purchases: Sequence[Purchase]) -> list[Purchase]:
        """Void what was reserved and never sent, which frees its caps."""
        return buy.release(self.context, purchases)

    def accept_loss(self, purchase: Purchase, by: str) -> Purchase:
        """Append an operator's approval to buy a lost purchase again, as the next generation (I2)."""
        return self.context.ledger.append(purchase, LossAccepted(at=self.context.clock.now(), by=by))
