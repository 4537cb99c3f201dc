"""Appending to the books: events onto one purchase or many, each batch one durable commit with all that hangs on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from msgspec.structs import replace

from payer.ledger import caps as budget
from payer.ledger import losses, rows
from payer.ledger.facts import Facts
from payer.ledger.queries import (
    ADD_BODY,
    ADD_EVENT,
    ADD_EVENT_RETURNING,
    ADD_EVIDENCE,
    HAS_EVIDENCE,
    HOLD_VERSION,
    SET_PURCHASE,
    VERSION,
)
from payer.ledger.statements import Transaction, transaction
from payer.policy.rules import Caps
from payer.values.events import Delivered, Event, fold
from payer.values.purchase import Lease, Purchase


class Conflict(Exception):
    """Raised when another process appended to the purchase first: read it again and decide anew."""


@dataclass(frozen=True, slots=True)
class Body:
    """A body to keep in the same commit as the event about it."""

    content: bytes
    content_type: str


class Appends(Facts):
    """What happened, written down: the purchase's projection, its caps and its body move in the same commit."""

    def append(
        self,
        purchase: Purchase,
        *happened: Event,
        lease: Lease | None = None,
        body: Body | None = None,
        caps: Mapping[str, Caps] | None = None,
        loss_limit: int = 0,
    ) -> Purchase:
        """Fold events onto the purchase, in one commit with its projection, its caps and its body.

        Raises Conflict when the purchase has moved on since it was read. With `caps`, a rise of what is committed
        (a re-signed, dearer price) is checked against them; without, facts are booked whatever they cost. Raises
        OverBudget for the seller's `loss_limit`, too: what is about to be signed would follow what it kept already.
        """
        with transaction(self._engine, write=True) as books:
            if loss_limit:
                losses.check(books, purchase.order.seller, purchase.asset, loss_limit)
            return self._append(books, purchase, happened, lease, body, caps)

    def append_all(self, batch: Iterable[tuple[Purchase, Sequence[Event]]]) -> list[Purchase]:
        """`append` for many purchases in one commit. One that has moved on is left out, to be decided anew."""
        done = []
        with transaction(self._engine, write=True) as books:
            self._take_turns(books)
            for purchase, happened in batch:
                try:
                    done.append(self._append(books, purchase, happened, None, None, None))
                except Conflict:
                    continue
        return done

    def _append(
        self,
        books: Transaction,
        purchase: Purchase,
        happened: Sequence[Event],
        lease: Lease | None,
        body: Body | None,
        caps: Mapping[str, Caps] | None,
    ) -> Purchase:
        states = list(accumulate(happened, fold, initial=replace(purchase, lease=lease)))
        after = states[-1]
        difference = after.committed - purchase.committed
        if difference:
            self._take_turns(books)
        self._hold(books, purchase)
        seq, brings = 0, any(isinstance(event, Delivered) for event in happened)
        for state, event in zip(states[1:], happened, strict=True):
            seq = self._insert_event(books, state, event)
            if isinstance(event, Delivered):
                assert body is not None, "a delivery without its body (I4)"
                self._insert_body(books, state, event, body, seq)
            elif body is not None and not brings:
                self._insert_evidence(books, body)
        books.run(SET_PURCHASE, **rows.columns(after, seq))
        if difference:
            totals = budget.move(books, after.asset, after.run, difference)
            if caps is not None and difference > 0:
                budget.check(caps[after.asset.symbol], after.run, after.asset, totals, difference)
        return after

    def _hold(self, books: Transaction, purchase: Purchase) -> None:
        """Keep others from this purchase until commit, or raise Conflict when they were first."""
        held = books.scalar(HOLD_VERSION if books.on_postgresql else VERSION, purchase_id=purchase.purchase_id)
        if held != purchase.version:
            raise Conflict(purchase.purchase_id)

    def _insert_event(self, books: Transaction, after: Purchase, event: Event) -> int:
        return books.new_key(
            ADD_EVENT,
            ADD_EVENT_RETURNING,
            purchase_id=after.purchase_id,
            version=after.version,
            kind=rows.kind_of(event),
            at=event.at,
            doc=rows.encode(event),
        )

    def _insert_body(self, books: Transaction, after: Purchase, event: Delivered, body: Body, seq: int) -> None:
        books.run(
            ADD_BODY,
            purchase_id=after.purchase_id,
            seq=seq,
            status=event.status,
            content_type=event.content_type,
            sha256=event.sha256,
            size=event.size,
            received_at=event.received_at,
            zstd=rows.compress(body.content),
        )

    def _insert_evidence(self, books: Transaction, body: Body) -> None:
        sha256 = rows.digest(body.content)
        if books.scalar(HAS_EVIDENCE, sha256=sha256) is None:
            books.run(ADD_EVIDENCE, sha256=sha256, content_type=body.content_type, zstd=rows.compress(body.content))
