"""The payer as its callers see it: quote, approve, buy, verify, recover. Each line of work has its own file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from payer.buy import buy as buyer
from payer.buy import quote as quoting
from payer.buy.decide import NotSeen
from payer.buy.quote import Approved
from payer.services import Services, View
from payer.settle import reconcile as reconciling
from payer.settle import recover as recovery
from payer.settle.reconcile import Difference, Reconciled
from payer.settle.recover import Recovered
from payer.values.events import LossAccepted
from payer.values.money import Asset
from payer.values.types import Order, Purchase, Quote, Run


class Payer:
    """At most one transfer per purchase, whatever crashes; nothing outside policy; no body lost that arrived."""

    def __init__(self, services: Services) -> None:
        self.services = services

    async def quote(self, orders: Iterable[Order]) -> dict[str, Quote]:
        """Terms by endpoint; signs nothing and needs no key. Raises QuoteUnacceptable, SellerUnreachable."""
        return await quoting.quote(self.services, orders)

    async def requote(self, orders: Iterable[Order]) -> dict[str, Quote]:
        """As `quote`, but asked anew: what was kept is in doubt."""
        return await quoting.requote(self.services, orders)

    async def approve(self, run: Run, orders: Sequence[Order], quotes: Mapping[str, Quote]) -> Approved:
        """Reserve all orders inside every cap, or none. Raises OverBudget, ChainUnreachable."""
        return await quoting.approve(self.services, run, orders, quotes)

    async def buy(self, purchase: Purchase, view: View = NotSeen.UNREAD) -> Purchase:
        """Carry one purchase as far as it goes. Raises Unresolved, PaidUndelivered, Refused, SellerUnreachable."""
        return await buyer.buy(self.services, purchase, view)

    async def verify(self, purchases: Sequence[Purchase]) -> list[Purchase]:
        """Book what the chain proves of delivered purchases: one batched look for all."""
        return await recovery.verify(self.services, purchases)

    async def recover(self, flow: str | None = None) -> Recovered:
        """Claim, free or park every open purchase."""
        return await recovery.recover(self.services, flow)

    async def reconcile(self, asset: Asset, *, rescan: bool = False) -> Reconciled:
        """Ledger against chain, to the atom, closed to a block. Raises ChainUnreachable."""
        return await reconciling.reconcile(self.services, asset, rescan=rescan)

    def damaged_bodies(self) -> list[Difference]:
        """Bodies that no longer have the hash they arrived with."""
        return reconciling.damaged_bodies(self.services.ledger)

    def release(self, purchases: Sequence[Purchase]) -> list[Purchase]:
        """Give back what was reserved and never sent."""
        return buyer.release(self.services, purchases)

    def accept_loss(self, purchase: Purchase, by: str) -> Purchase:
        """A person's word that a purchase without its data may be bought again, as the next generation (I2)."""
        return self.services.ledger.append(purchase, LossAccepted(at=self.services.clock.now(), by=by))
