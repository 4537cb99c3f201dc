"""Append events to purchases. Projection, caps and body change in the same commit as the event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from msgspec.structs import replace

from payer.ledger import caps
from payer.ledger.database import rows
from payer.ledger.database.queries import (
    ADD_BODY,
    ADD_EVENT,
    ADD_EVENT_RETURNING,
    ADD_EVIDENCE,
    HAS_EVIDENCE,
    HOLD_VERSION,
    SET_PURCHASE,
    SET_PURCHASE_STATE,
    VERSION,
    serialize_caps,
)
from payer.ledger.database.statements import Transaction
from payer.ledger.transfers import elsewhere
from payer.policy.rules import Caps
from payer.values.events import Delivered, Event, fold
from payer.values.purchase import Lease, Purchase


class Conflict(Exception):
    """Raised when another process appended to the purchase first: read it again and decide again."""


@dataclass(frozen=True, slots=True)
class Body:
    """A body to keep in the same commit as the event about it, compressed before the ledger is locked for it."""

    content: bytes
    content_type: str
    zstd: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "zstd", rows.compress(self.content))


def append_within(
    txn: Transaction,
    purchase: Purchase,
    events: Sequence[Event],
    lease: Lease | None = None,
    body: Body | None = None,
    limits: Mapping[str, Caps] | None = None,
) -> Purchase:
    """Append as part of a transaction. Raises Conflict, and OverBudget with `limits`."""
    states = list(accumulate(events, fold, initial=replace(purchase, lease=lease)))
    after = states[-1]
    difference = after.committed - purchase.committed
    if difference:
        serialize_caps(txn)
    # On PostgreSQL the purchase is locked until commit.
    version = txn.scalar(HOLD_VERSION if txn.on_postgresql else VERSION, purchase_id=purchase.purchase_id)
    if version != purchase.version:
        raise Conflict(purchase.purchase_id)
    evidence = None if body is None or any(isinstance(event, Delivered) for event in events) else body
    seq = 0
    for state, event in zip(states[1:], events, strict=True):
        seq = insert_event(txn, state, event)
        if isinstance(event, Delivered):
            assert body is not None, "a delivery without its body (I4)"
            _insert_body(txn, state, event, body, seq)
        elif evidence is not None:
            _insert_evidence(txn, evidence)
    if rows.searched_by(after) == rows.searched_by(purchase):
        txn.run(SET_PURCHASE_STATE, **rows.state_columns(after, seq))
    else:
        txn.run(SET_PURCHASE, **rows.columns(after, seq))
    if difference:
        seller = after.order.seller
        totals = caps.move(txn, after.asset, after.run, seller, difference)
        if limits is not None and difference > 0:
            own = limits[after.asset.symbol]
            other = elsewhere(txn, after.asset, after.payer, after.run, seller, own)
            caps.check(own, after.run, after.asset, seller, totals, difference, other)
    return after


def insert_event(txn: Transaction, after: Purchase, event: Event) -> int:
    """Insert an event with the version of the state after it; its seq."""
    return txn.new_key(
        ADD_EVENT,
        ADD_EVENT_RETURNING,
        purchase_id=after.purchase_id,
        version=after.version,
        kind=rows.kind_of(event),
        at=event.at,
        doc=rows.encode(event),
    )


def _insert_body(txn: Transaction, after: Purchase, event: Delivered, body: Body, seq: int) -> None:
    txn.run(
        ADD_BODY,
        purchase_id=after.purchase_id,
        seq=seq,
        status=event.status,
        content_type=event.content_type,
        sha256=event.sha256,
        size=event.size,
        received_at=event.received_at,
        zstd=body.zstd,
    )


def _insert_evidence(txn: Transaction, body: Body) -> None:
    """Keep the body of an answer that delivered nothing, once per content."""
    sha256 = rows.digest(body.content)
    if txn.scalar(HAS_EVIDENCE, sha256=sha256) is None:
        txn.run(ADD_EVIDENCE, sha256=sha256, content_type=body.content_type, zstd=body.zstd)
