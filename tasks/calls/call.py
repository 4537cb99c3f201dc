"""One call at one moment, the same for a purchase, a call that the cache saved, and a row of the published costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from payer.ledger.read import Change
from payer.values.ledger_reads import AvoidedRow
from payer.values.money import decimal_text
from payer.values.purchase import Data, Money, Purchase
from tasks.calls.subject import AskedFor, of_plan, of_text, seller_of

EXPLORERS = {
    "eip155:1": "https://etherscan.io",
    "eip155:10": "https://optimistic.etherscan.io",
    "eip155:137": "https://polygonscan.com",
    "eip155:8453": "https://basescan.org",
    "eip155:42161": "https://arbiscan.io",
    "eip155:84532": "https://sepolia.basescan.org",
}
"""Explorers by CAIP-2 network. A sandbox's chain has none."""


def transaction_url(network: str, tx_hash: str | None) -> str | None:
    """The page of a transaction, None where the chain has no public explorer, or there is no transaction yet."""
    site = EXPLORERS.get(network)
    return f"{site}/tx/{tx_hash}" if site and tx_hash else None


class State(StrEnum):
    """The state of a call in one word or two, by the glossary's terms of money and data."""

    CACHED = "cached"
    RESERVED = "reserved"
    SENT = "sent"
    IN_DOUBT = "in doubt"
    DELIVERED = "delivered"
    SETTLED = "settled"
    CLAIMING = "claiming"
    UNDELIVERED = "undelivered"
    FAILED = "failed"
    FREE = "free"
    REFUSED = "refused"
    VOID = "void"


class Means(StrEnum):
    """The way in which data came, or is to come: by a payment, from the cache, or for nothing."""

    PAID = "paid"
    CACHED = "cached"
    FREE = "free"


TROUBLE = frozenset({State.IN_DOUBT, State.CLAIMING, State.UNDELIVERED, State.FAILED, State.REFUSED, State.VOID})
"""States that may need a person, or another run."""


@dataclass(frozen=True, slots=True)
class WatchedCall:
    """A call as it was at `at` (UTC): the time of its newest event in the ledger or, seen from later, of the call.

    `amount_atomic` is what it took, or may take; of a cached call, what it would have cost; None where that is
    unknown. `tx_hash` is set once the transaction was found on chain. `seq` numbers the event, or the cached call.
    """

    seq: int
    at: datetime
    state: State
    bought: Means
    flow: str
    run_id: str
    seller: str | None
    dataset: str
    subject: AskedFor
    request: str
    edition: str
    network: str
    asset: str
    decimals: int
    amount_atomic: int | None
    money: str | None = None
    data: str | None = None
    purchase_id: str | None = None
    tx_hash: str | None = None
    why: str | None = None
    """The reason of a loss or a refusal, or the seller's last answer."""

    @property
    def amount(self) -> str:
        """The amount with its asset, or "unknown"."""
        if self.amount_atomic is None:
            return "unknown"
        return f"{decimal_text(self.amount_atomic, self.decimals)} {self.asset}"

    @property
    def tx_url(self) -> str | None:
        """The transaction's page at the chain's public explorer."""
        return transaction_url(self.network, self.tx_hash)

    def document(self) -> dict[str, Any]:
        """The JSON of one line (docs/operating.md)."""
        return {
            "seq": self.seq,
            "at": self.at.isoformat(),
            "state": self.state.value,
            "bought": self.bought.value,
            "flow": self.flow,
            "run_id": self.run_id,
            "seller": self.seller,
            "dataset": self.dataset,
            "keys": list(self.subject.keys),
            "first": self.subject.first,
            "last": self.subject.last,
            "page": self.subject.page,
            "request": self.request,
            "edition": self.edition,
            "amount": None if self.amount_atomic is None else decimal_text(self.amount_atomic, self.decimals),
            "amount_atomic": self.amount_atomic,
            "asset": self.asset,
            "network": self.network,
            "money": self.money,
            "data": self.data,
            "purchase_id": self.purchase_id,
            "tx_hash": self.tx_hash,
            "tx_url": self.tx_url,
            "why": self.why,
        }


def of_change(change: Change) -> WatchedCall:
    return of_purchase(change.purchase, change.seq, change.at)


def called_at(p: Purchase) -> datetime:
    """The time of the call itself: its delivery; until then its payment; until then its order."""
    return p.delivered_at or p.first_sent_at or p.created_at


def of_purchase(p: Purchase, seq: int, at: datetime) -> WatchedCall:
    """A purchase as it is after the event `seq`."""
    state = state_of(p)
    return WatchedCall(
        seq=seq,
        at=at,
        state=state,
        bought=Means.FREE if p.order.free or state is State.FREE else Means.PAID,
        flow=p.run.flow,
        run_id=p.run.run_id,
        seller=p.order.seller,
        dataset=p.order.dataset,
        subject=of_plan(p.order.dataset, p.order.context, p.order.request.params),
        request=f"{p.order.request.method} {p.order.request.full_url}",
        edition=p.order.edition,
        network=p.asset.network,
        asset=p.asset.symbol,
        decimals=p.asset.decimals,
        amount_atomic=p.cost,
        money=p.money.value,
        data=p.data.value,
        purchase_id=p.purchase_id,
        tx_hash=p.settlement.tx_hash if p.settlement else None,
        why=_why(p, state),
    )


def of_avoided(row: AvoidedRow) -> WatchedCall:
    return WatchedCall(
        seq=row.seq,
        at=row.at,
        state=State.CACHED,
        bought=Means.CACHED,
        flow=row.flow,
        run_id=row.run_id,
        seller=seller_of(row.dataset),
        dataset=row.dataset,
        subject=of_plan(row.dataset, row.context) if row.context else of_text(row.dataset, row.request, row.edition),
        request=row.request,
        edition=row.edition,
        network=row.network,
        asset=row.asset,
        decimals=row.decimals,
        amount_atomic=row.price_atomic,
    )


def of_cost(row: Mapping[str, Any]) -> WatchedCall:
    """A row of the published `costs`, as `tasks.ops.costs` returns it: times as text, nulls as None."""
    state = state_of_cost(row)
    return WatchedCall(
        seq=row.get("seq", 0),
        at=datetime.fromisoformat(row["block_time"] or row["created_at"]),
        state=state,
        bought=Means.FREE if state is State.FREE else Means.PAID,
        subject=of_text(row["dataset"], row["request"], row["edition"]),
        why=row["failure"] or row["denied"],
        **{name: row[name] for name in _OF_COSTS},
    )


_OF_COSTS = (
    *("flow", "run_id", "seller", "dataset", "request", "edition", "network", "asset", "decimals", "amount_atomic"),
    *("money", "data", "purchase_id", "tx_hash"),
)
"""Fields that are columns of `costs`."""


def state_of(p: Purchase) -> State:
    """The state of a purchase in the glossary's words."""
    answered = p.last_status is not None or bool(p.last_note)
    return _state(
        p.money, p.data, failed=bool(p.failure), undelivered=p.undelivered, denied=bool(p.denied), answered=answered
    )


def state_of_cost(row: Mapping[str, Any]) -> State:
    """The state of a row of the published costs; what was sent and has no end yet is in doubt."""
    money = Money.VOID if row["money"] == FREE_MONEY else Money(row["money"])
    return _state(
        money,
        Data(row["data"]),
        failed=bool(row["failure"]),
        undelivered=bool(row["undelivered"]),
        denied=bool(row["denied"]),
        answered=True,
    )


FREE_MONEY = "free"
"""The published word for void money where data came for nothing."""


def _state(money: Money, data: Data, *, failed: bool, undelivered: bool, denied: bool, answered: bool) -> State:
    if failed:
        return State.FAILED
    if data is Data.DELIVERED:
        return {Money.SPENT: State.SETTLED, Money.VOID: State.FREE}.get(money, State.DELIVERED)
    match money:
        case Money.RESERVED:
            return State.RESERVED
        case Money.EXPOSED:
            return State.IN_DOUBT if answered else State.SENT
        case Money.SPENT:
            return State.UNDELIVERED if undelivered else State.CLAIMING
        case Money.VOID:
            return State.REFUSED if denied else State.VOID


def _why(p: Purchase, state: State) -> str | None:
    if p.failure or p.denied:
        return p.failure or p.denied
    return p.answers[-1] if p.answers and state in TROUBLE else None
