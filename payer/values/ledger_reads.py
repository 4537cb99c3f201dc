"""What others may read of the ledger: deliveries for the warehouse, priced rows for the cost table."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from payer.values.purchase import Delivery


@dataclass(frozen=True, slots=True)
class CostRow:
    """One purchase as the books see it. `amount_atomic` is what the chain took, or may take; `seq` its newest event.

    `tx_hash` is a transaction that was found on chain; what a seller's receipt claims is no transaction yet.
    """

    seq: int
    purchase_id: str
    purchase_key: str
    generation: int
    run_id: str
    flow: str
    deployment: str | None
    flow_run_id: str | None
    reason: str
    seller: str
    dataset: str
    request: str
    edition: str
    network: str
    asset: str
    decimals: int
    amount_atomic: int
    money: str
    data: str
    undelivered: bool
    denied: str | None
    nonce: str
    tx_hash: str | None
    block_number: int | None
    block_time: datetime | None
    verified_on_chain: bool
    attempts: int
    latency_ms: int | None
    created_at: datetime
    delivered_at: datetime | None


@dataclass(frozen=True, slots=True)
class AvoidedRow:
    """One call not made because the cache had it, with the endpoint's price then (None: never quoted, unknown)."""

    seq: int
    run_id: str
    flow: str
    deployment: str | None
    flow_run_id: str | None
    reason: str
    dataset: str
    request: str
    edition: str
    network: str
    asset: str
    decimals: int
    price_atomic: int | None
    at: datetime


class LedgerReader(Protocol):
    """The read side. A seq may be committed a little after a larger one (PostgreSQL): keep the set of what you
    loaded, not only a watermark."""

    def last_seq(self) -> int: ...

    def mark(self, seq: int) -> str | None:
        """What stands at a seq, None for nothing: whoever kept it can tell this ledger from one restored since."""
        ...

    def delivery_index(self, after: int = 0) -> list[tuple[int, str]]:
        """(seq, purchase_id) of every delivery with seq > after."""
        ...

    def deliveries(self, after: int = 0, purchase_ids: Collection[str] | None = None) -> Iterator[Delivery]:
        """In seq order, bodies decompressed."""
        ...

    def cost_rows(self, changed_after: int = 0) -> Iterator[CostRow]: ...

    def avoided_rows(self, after: int = 0) -> Iterator[AvoidedRow]: ...
