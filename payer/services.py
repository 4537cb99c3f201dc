"""What the payer works with, and the small steps that every part of it shares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from payer.buy.decide import Limits, NotSeen
from payer.buy.owners import is_gone, new_owner
from payer.buy.spool import Spool
from payer.chain.chain import Chain
from payer.http.transport import Transport
from payer.ledger import Ledger
from payer.policy.judge import draft
from payer.policy.rules import Policy
from payer.values.errors import ChainUnreachable, Misconfigured
from payer.values.events import Event
from payer.values.identifiers import payment_identifier
from payer.values.money import Asset
from payer.values.types import Authorization, ChainView, Clock, Lease, Order, Purchase, SignedPayment, Terms
from payer.wallet.eip3009 import Wallet
from payer.wire.payment import PAYMENT_IDENTIFIER, payment_header

_LEASE_SECONDS = 90
_TO_WRITE_DOWN = 30

View = ChainView | NotSeen


@dataclass(frozen=True, slots=True)
class Services:
    """Everything one process pays with. Without a wallet it can only quote and read."""

    ledger: Ledger
    policy: Policy
    chain: Chain
    transport: Transport
    wallet: Wallet | None
    clock: Clock
    owner: str = field(default_factory=new_owner)
    limits: Limits = field(default_factory=Limits)
    spool: Spool | None = None

    def signer(self) -> Wallet:
        """The wallet. Raises Misconfigured when there is none."""
        if self.wallet is None:
            raise Misconfigured(
                "there is no key to pay with",
                advice="set TOLLBOOK_PRIVATE_KEY, or TOLLBOOK_KEYSTORE with TOLLBOOK_KEYSTORE_PASSWORD_FILE",
            )
        return self.wallet

    def holds_key_of(self, purchase: Purchase) -> bool:
        """Whether this wallet is the one that the purchase was, or will be, paid from."""
        return self.signer().address == purchase.payer

    def asset_of(self, seller: str) -> Asset:
        """The one asset policy pays this seller with."""
        return self.policy.asset_for(seller)

    def sells(self, purchase: Purchase) -> bool:
        """Whether policy still names the seller of a purchase. One that it doesn't is looked at on chain only."""
        return purchase.order.seller in self.policy.sellers

    def loss_limits(self) -> dict[str, int]:
        """What each seller may keep without delivering, in atoms; one without a limit is absent."""
        return {name: seller.loss_limit for name, seller in self.policy.sellers.items() if seller.loss_limit}

    def patience(self, seller: str) -> float:
        """Seconds to wait for an answer: sellers settle before they answer, so 30 and more (x402, seller's docs)."""
        return float(self.policy.sellers[seller].timeout_seconds)

    def lease(self, *sellers: str) -> Lease:
        """A claim to work on a purchase for as long as one answer of these sellers, and its commit, may take."""
        known = [seller for seller in sellers if seller in self.policy.sellers]
        longest = max((self.patience(seller) + _TO_WRITE_DOWN for seller in known), default=0.0)
        return Lease(self.owner, self.clock.now() + timedelta(seconds=max(_LEASE_SECONDS, longest)))

    def leased_elsewhere(self, purchase: Purchase) -> bool:
        """Another process is at it, and can be. Its word alone is no safety, only courtesy: the nonce pays once."""
        lease = purchase.lease
        if lease is None or lease.owner == self.owner or lease.until <= self.clock.now():
            return False
        return not is_gone(lease.owner)

    def append(self, purchase: Purchase, *happened: Event) -> Purchase:
        """Write down what happened, and go on working on the purchase: it stays claimed for its next answer's time."""
        return self.ledger.append(purchase, *happened, lease=self.lease(purchase.order.seller))

    def authorize(self, purchase: Purchase, terms: Terms) -> Authorization:
        """What to sign now for these terms: our window (at most policy's), the purchase's own nonce."""
        return draft(self.policy, terms, payer=purchase.payer, nonce=purchase.nonce, now=self.clock.now())

    def present(self, purchase: Purchase) -> SignedPayment:
        """The purchase's payment, byte for byte the same each time: signatures are derived anew, never stored (I10)."""
        authorization, terms = purchase.authorization, purchase.terms
        assert authorization is not None, "nothing was signed for this purchase"
        assert terms is not None, "an authorization has terms"
        wallet = self.signer()
        signature = wallet.sign(authorization)
        declared = PAYMENT_IDENTIFIER in terms.extensions
        payment_id = payment_identifier(wallet.nonce_secret, authorization, terms.accepted) if declared else None
        name, value = payment_header(terms, authorization, signature, payment_id=payment_id)
        return SignedPayment(authorization, name, value)

    async def look(self, purchases: Iterable[Purchase]) -> Mapping[str, View]:
        """What the chain says of each purchase's nonce, by purchase id. Unreachable is a view of its own (I9)."""
        groups: dict[tuple[Asset, str], list[Purchase]] = {}
        for purchase in purchases:
            groups.setdefault((purchase.asset, purchase.payer), []).append(purchase)
        views: dict[str, View] = {}
        for (asset, payer), members in groups.items():
            try:
                seen = await self.chain.look(asset, payer, {p.nonce: p.from_block for p in members})
            except ChainUnreachable:
                views.update({p.purchase_id: NotSeen.UNREACHABLE for p in members})
            else:
                views.update({p.purchase_id: seen[p.nonce] for p in members})
        return views


def full_url(order: Order) -> str:
    """The request's URL with its parameters, as the seller's log would show it."""
    query = "&".join(f"{name}={value}" for name, value in order.request.params)
    return f"{order.request.url}?{query}" if query else order.request.url
