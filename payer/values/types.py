"""The payer's values: what is wanted, what was asked for it, what was signed, what is known. All frozen, all plain.

Times are aware UTC datetimes, except the seconds inside an authorization (EIP-3009: unix seconds, uint256).
Amounts inside records are integers of atomic units of the purchase's one asset.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

import msgspec

from payer.values.money import Asset


class Money(StrEnum):
    """Where a purchase's money is. Only proof from the chain moves it out of EXPOSED."""

    RESERVED = "reserved"
    EXPOSED = "exposed"
    SPENT = "spent"
    VOID = "void"


class Data(StrEnum):
    ABSENT = "absent"
    DELIVERED = "delivered"


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request as the seller will see it, payment aside. `url` carries no query; `params` are sorted.

    `headers` are the seller's static ones and no part of the purchase's identity.
    """

    method: str
    url: str
    params: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def endpoint(self) -> str:
        """What a quote is for: method and URL without parameters."""
        return f"{self.method} {self.url}"


@dataclass(frozen=True, slots=True)
class Order:
    """One piece someone wants: a request in one edition.

    `context` is the plan's JSON about the piece (cells, page): kept with the purchase, never read by the payer.
    `price_cap` is the dataset's own ceiling in atoms of the seller's asset, under policy's. A `free` order is
    never paid for: a 402 to it is refused.
    """

    request: Request
    edition: str
    seller: str
    dataset: str
    context: Mapping[str, Any] = field(default_factory=dict)
    price_cap: int | None = None
    free: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """Who is buying and why; every purchase carries it. `budget` is the caller's own ceiling (--max-cost), in atoms."""

    run_id: str
    flow: str
    reason: str
    started_at: datetime
    deployment: str | None = None
    flow_run_id: str | None = None
    budget: int | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """One `accepts` entry that policy allows. The texts are JSON as the seller wrote it, echoed unchanged (x402 v2)."""

    version: int
    asset: Asset
    pay_to: str
    amount: int
    max_timeout: int
    accepted: str
    resource: str = "{}"
    extensions: str = "{}"


@dataclass(frozen=True, slots=True)
class Quote:
    """Terms of one endpoint at one time. A quote by itself accepts nothing.

    `baseline` is the price that the last bill reserved for the endpoint; before any, the first one quoted.
    """

    endpoint: str
    seller: str
    terms: Terms
    quoted_at: datetime
    baseline: int | None = None

    @property
    def measure(self) -> int:
        """The price that drift is measured from."""
        return self.terms.amount if self.baseline is None else self.baseline


@dataclass(frozen=True, slots=True)
class Authorization:
    """EIP-3009 TransferWithAuthorization: exactly what is signed. Valid between the two, exclusive."""

    asset: Asset
    payer: str
    pay_to: str
    value: int
    valid_after: int
    valid_before: int
    nonce: str


class Unspoken(str):
    """Text to be sent and never shown: signatures, payment headers (I10). A traceback with its locals shows no more."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'…'"


@dataclass(frozen=True, slots=True)
class SignedPayment:
    """The only value that has a header to send. Its text is a bearer secret until settled."""

    authorization: Authorization
    header_name: str
    header_value: Unspoken


@dataclass(frozen=True, slots=True)
class Settlement:
    """Proof of payment: AuthorizationUsed(payer, nonce) and the matching Transfer, from one receipt."""

    tx_hash: str
    block_number: int
    block_hash: str
    block_time: datetime
    pay_to: str
    value: int
    final: bool


class NonceState(StrEnum):
    """What the token contract says of (payer, nonce). `authorizationState` alone can't tell USED from CANCELLED."""

    UNUSED = "unused"
    USED = "used"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class ChainView:
    """What the chain said of one nonce, read at pinned blocks: the head, and the one policy calls final."""

    head_number: int
    head_time: int
    final_number: int
    final_time: int
    state: NonceState
    state_final: NonceState
    settlement: Settlement | None = None


@dataclass(frozen=True, slots=True)
class Lease:
    """Who is working on a purchase. Advice between processes, never safety: the nonce is what pays once."""

    owner: str
    until: datetime


class Purchase(msgspec.Struct, frozen=True):
    """The fold of one purchase's events. One per (purchase_key, generation).

    `valid_until` is the latest validBefore signed for its nonce; `reserved` the largest value signed (or quoted);
    `spent` what the chain took; `version` counts its events and guards concurrent writers. `burned`: its nonce was
    cancelled on chain, so only a person can let it be bought again. `sends` are of this life of it, `earlier_sends` of
    those that ended void by proof. Not a dataclass as the others: it is made anew at
    every event, which takes a dataclass of so many fields twenty times as long.
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
    denied: str | None = None
    undelivered: bool = False
    burned: bool = False
    loss_accepted: bool = False
    settlement: Settlement | None = None
    receipt_tx: str | None = None
    first_sent_at: datetime | None = None
    delivered_at: datetime | None = None
    lease: Lease | None = None

    @property
    def buyable(self) -> bool:
        """Wanted again, it is reserved anew: void by proof or never sent, or a person accepted its loss."""
        return self.loss_accepted or (self.money is Money.VOID and self.data is Data.ABSENT and not self.burned)

    @property
    def settling(self) -> bool:
        """Settled in a block that a reorg may still take back."""
        return self.settlement is not None and not self.settlement.final

    def paid_by(self, authorization: Authorization | None) -> bool:
        """Whether it was this authorization of the nonce, or one to the same payee of the same value, that settled."""
        settled = self.settlement
        if settled is None or authorization is None:
            return False
        return (authorization.pay_to, authorization.value) == (settled.pay_to, settled.value)

    @property
    def losable(self) -> bool:
        """Whether a person may accept its loss (I2): its money can't move any more, and what came of it is nothing, or
        worth nothing."""
        if self.money is Money.SPENT:
            return (self.undelivered or self.data is Data.DELIVERED) and not self.settling
        return self.money is Money.VOID and (self.burned or self.data is Data.DELIVERED)

    @property
    def at_risk(self) -> bool:
        """Money that left, was answered, or not, and has brought nothing: a loss unless something still comes."""
        out = self.money in (Money.EXPOSED, Money.SPENT) and self.data is Data.ABSENT and not self.loss_accepted
        return out and (self.undelivered or self.last_status is not None or bool(self.last_note))

    @property
    def cost(self) -> int:
        """Atoms that the chain took; until it has, those that it may take."""
        return self.spent if self.money is Money.SPENT else self.committed

    @property
    def committed(self) -> int:
        """Atoms that count against every cap now (I3). A reorg of a settlement brings the dearest signature back."""
        match self.money:
            case Money.RESERVED | Money.EXPOSED:
                return self.reserved
            case Money.SPENT:
                return max(self.reserved, self.spent) if self.settling else self.spent
            case Money.VOID:
                return 0


@dataclass(frozen=True, slots=True)
class Delivery:
    """A body that arrived, as the warehouse reads it from the ledger. `seq` rises in the order of commits.

    `lost`: a person has accepted that it is of no use, so it answers for nothing and may be bought again. `damaged`:
    the ledger's copy is not what arrived any more, and left out here.
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


class Clock(Protocol):
    """Time as a seam, so that tests and the simulator own it."""

    def now(self) -> datetime:
        """Aware UTC."""
        ...

    async def sleep(self, seconds: float) -> None: ...
