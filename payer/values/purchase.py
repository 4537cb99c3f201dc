"""A purchase and its state: where its money is, whether its data came, and the delivery that others read.

Times are aware UTC datetimes. Amounts are integers of atomic units of the purchase's one asset.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec
from msgspec.structs import replace

from payer.values.chain_view import Settlement
from payer.values.money import Amount, Asset
from payer.values.request import Order, Request, Run
from payer.values.terms import Authorization, Terms


class Money(StrEnum):
    """The place of a purchase's money. Only proof from the chain moves it out of EXPOSED."""

    RESERVED = "reserved"
    EXPOSED = "exposed"
    SPENT = "spent"
    VOID = "void"


class Data(StrEnum):
    """True if a body arrived for a purchase."""

    ABSENT = "absent"
    DELIVERED = "delivered"


@dataclass(frozen=True, slots=True)
class Lease:
    """One process's exclusive work on a purchase, until a time. Advice: what prevents a second payment is the nonce."""

    owner: str
    until: datetime


class Purchase(msgspec.Struct, frozen=True):
    """The fold of one purchase's events. One per (purchase_key, generation).

    `valid_until` is the latest validBefore signed for its nonce; `reserved` the largest value signed (or quoted);
    `spent` what the chain took; `failure` why the body that came can't be used; `answers` what the seller said to its
    payment without delivering, status first, the oldest and the newest few; `version` counts its events and guards
    against concurrent writers. `burned`: its nonce was cancelled on chain, so it is bought again only by operator
    approval. `sends` counts the sends since it was last reserved, `earlier_sends` those before, which ended void by
    proof. A msgspec struct, because each event makes a new one, and a dataclass of so many fields takes twenty times as
    long to make.
    """

    purchase_id: str
    purchase_key: str
    generation: int
    order: Order
    run: Run
    asset: Asset
    payer: str
    nonce: str
    created_at: datetime
    money: Money = Money.RESERVED
    data: Data = Data.ABSENT
    version: int = 0
    terms: Terms | None = None
    reserved: int = 0
    spent: int = 0
    authorization: Authorization | None = None
    valid_until: int = 0
    from_block: int | None = None
    sends: int = 0
    earlier_sends: int = 0
    claims: int = 0
    last_status: int | None = None
    last_note: str = ""
    answers: tuple[str, ...] = ()
    denied: str | None = None
    undelivered: bool = False
    failure: str = ""
    burned: bool = False
    loss_accepted: bool = False
    settlement: Settlement | None = None
    receipt_tx: str | None = None
    first_sent_at: datetime | None = None
    delivered_at: datetime | None = None
    lease: Lease | None = None

    @property
    def title(self) -> str:
        """Its name in messages."""
        return f"{self.order.dataset} {self.purchase_id}"

    @property
    def buyable(self) -> bool:
        """True if an order for it is reserved again: it is void by proof, was never sent, or its loss is accepted."""
        return self.loss_accepted or (self.money is Money.VOID and self.data is Data.ABSENT and not self.burned)

    def paid_with(self, asset: Asset, payer: str, nonce: str) -> Purchase:
        """Return a void purchase, never sent, as it is ordered again in another asset or from another wallet."""
        if (self.asset, self.payer, self.nonce) == (asset, payer, nonce):
            return self
        unsigned = {"authorization": None, "valid_until": 0, "from_block": None, "first_sent_at": None}
        return replace(self, asset=asset, payer=payer, nonce=nonce, **unsigned)

    @property
    def settling(self) -> bool:
        """Settled in a block that a reorg may still remove."""
        return self.settlement is not None and not self.settlement.final

    def paid_by(self, authorization: Authorization | None) -> bool:
        """True if this authorization settled, or one over the same nonce with the same payee and value."""
        settled = self.settlement
        if settled is None or authorization is None:
            return False
        return (authorization.pay_to, authorization.value) == (settled.pay_to, settled.value)

    @property
    def bought_elsewhere(self) -> bool:
        """True if its nonce was used on chain and this ledger never presented a payment over it: another home of the
        wallet bought it, or a ledger that was lost."""
        return self.money is Money.SPENT and not self.sends and not self.earlier_sends

    @property
    def losable(self) -> bool:
        """True if an operator may accept its loss (I2): its money can't move any more and brought nothing of use."""
        if self.money is Money.SPENT:
            return (self.undelivered or self.data is Data.DELIVERED) and not self.settling
        return self.money is Money.VOID and (self.burned or self.data is Data.DELIVERED)

    @property
    def at_risk(self) -> bool:
        """Exposed or spent, tried, and no data yet: a loss unless a delivery still comes."""
        out = self.money in (Money.EXPOSED, Money.SPENT) and self.data is Data.ABSENT and not self.loss_accepted
        return out and (self.undelivered or self.last_status is not None or bool(self.last_note))

    @property
    def lost_for(self) -> str:
        """The reason for which its money brought nothing, "" if it did or still may. An accepted loss stays one."""
        if self.failure:
            return f"failed delivery: {self.failure}"
        return "undelivered" if self.undelivered else ""

    @property
    def loss(self) -> int:
        """Atomic units that the chain took, or may take, for nothing."""
        return self.cost if self.lost_for else 0

    @property
    def cost(self) -> int:
        """Atomic units that the chain took; before it has, those that it may take."""
        return self.spent if self.money is Money.SPENT else self.committed

    @property
    def committed(self) -> int:
        """Atomic units that count against every cap now (I3).

        Of spent money, too, the largest value signed: a chain server's word for a smaller transfer frees nothing.
        """
        match self.money:
            case Money.RESERVED | Money.EXPOSED:
                return self.reserved
            case Money.SPENT:
                return max(self.reserved, self.spent)
            case Money.VOID:
                return 0


WHO = "another home of this wallet, or a ledger that was lost"


def whose(purchase: Purchase) -> str:
    """Say who bought a piece whose payment this ledger never sent; "" for its own."""
    settled = purchase.settlement
    if not purchase.bought_elsewhere or settled is None:
        return ""
    amount = Amount(settled.value, purchase.asset)
    return (
        f"bought by {WHO}: {amount} went to {settled.pay_to} over this piece's nonce in {settled.tx_hash} on "
        f"{settled.block_time:%Y-%m-%d %H:%M} UTC, and this ledger never sent that payment. Whoever did has the body"
    )


def where_it_is(purchase: Purchase) -> str:
    """Say how to get such a piece: from the other home, from a backup, or by paying once more."""
    price = Amount(purchase.cost, purchase.asset)
    return (
        "read it in the other home, and let both use one ledger from now on (TOLLBOOK_LEDGER_URL; docs/operating.md, "
        "Two homes over one wallet); or `tollbook restore` a backup of the ledger that was lost; or run `tollbook "
        f"accept-loss {purchase.purchase_id}`, which lets the next run pay for it once more, about {price}"
    )


@dataclass(frozen=True, slots=True)
class Delivery:
    """A body that arrived, as the warehouse reads it from the ledger. `seq` rises in the order of commits.

    `lost`: an operator accepted that it is of no use, so it covers no cells and may be bought again. `damaged`: the
    ledger's copy no longer has the hash it arrived with, and `body` is empty.
    """

    seq: int
    purchase_id: str
    purchase_key: str
    seller: str
    dataset: str
    request: Request
    edition: str
    context: Mapping[str, Any]
    status: int
    content_type: str
    body: bytes
    received_at: datetime
    lost: bool = False
    damaged: bool = False
