"""The ledger as other packages read it: deliveries for the warehouse, priced rows for the cost table."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from payer.values.purchase import Delivery


@dataclass(frozen=True, slots=True)
class CostRow:
    """One purchase with its cost. `amount_atomic` is what the chain took, or may take; `seq` is its newest event.

    `loss_atomic` is all of the amount where it brought nothing that can be used, else 0.

    `tx_hash` is set once the transaction was found on chain; a seller's receipt is no proof. `payee` is who was paid
    or, until then, who the accepted terms name; None for a free purchase.
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
    loss_atomic: int
    money: str
    data: str
    undelivered: bool
    failure: str | None
    denied: str | None
    wallet: str
    payee: str | None
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
    """One call that the cache saved, with the endpoint's last quoted price (None: never quoted, unknown).

    `context` is the plan's JSON about the piece, as an order has it; empty in what older tollbooks recorded.
    """

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
    context: Mapping[str, Any] = field(default_factory=dict)


class LedgerReader(Protocol):
    """The read side of the ledger.

    On PostgreSQL a seq may be committed after a larger one: keep the set of loaded deliveries, not only a watermark.
    """

    def last_seq(self) -> int:
        """The newest event's seq; 0 for an empty ledger."""

    def mark(self, seq: int) -> str | None:
        """A hash of the event at a seq, None for no event; a reader that kept it can detect a restored ledger."""

    def delivery_index(self, after: int = 0) -> list[tuple[int, str]]:
        """Return (seq, purchase_id) of every delivery with seq > after, in seq order."""

    def deliveries(self, after: int = 0, purchase_ids: Collection[str] | None = None) -> Iterator[Delivery]:
        """Yield deliveries with seq > after in seq order, all or those of some purchases, read a page at a time.

        Bodies are decompressed and compared with the hash they arrived with; a damaged one is marked and left empty.
        """

    def cost_rows(self, changed_after: int = 0) -> Iterator[CostRow]: ...

    def avoided_rows(self, after: int = 0) -> Iterator[AvoidedRow]: ...
