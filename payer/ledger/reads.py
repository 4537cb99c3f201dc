"""Reading the ledger: one purchase, the open ones, and what the warehouse asks for."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import msgspec
import sqlalchemy as sa

from payer.ledger import rows, schema
from payer.ledger.engine import reading
from payer.ledger.queries import (
    BY_ID,
    BY_NONCE,
    GENERATIONS,
    OPEN,
    OPEN_OF_FLOW,
    PAYEE,
    PURCHASES,
    QUOTE,
    UNDELIVERED,
)
from payer.ledger.statements import Statement, Transaction, transaction
from payer.values.events import Answered, Event
from payer.values.ledger_reads import AvoidedRow, CostRow
from payer.values.money import Asset
from payer.values.purchase import Delivery, Purchase
from payer.values.request import Request
from payer.values.terms import Quote

_PAGE = 500


class Reads:
    """The read side; implements LedgerReader."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def get(self, purchase_id: str) -> Purchase | None:
        """One purchase by its id."""
        return self._one(BY_ID, purchase_id=purchase_id)

    def by_nonce(self, nonce: str) -> Purchase | None:
        """The purchase that a nonce on chain belongs to."""
        return self._one(BY_NONCE, nonce=nonce)

    def find(self, purchase_key: str) -> Purchase | None:
        """The latest generation of a purchase key."""
        with transaction(self._engine, write=False) as books:
            return self._latest(books, purchase_key)

    def open_purchases(self, flow: str | None = None) -> list[Purchase]:
        """Everything with something left to do, oldest first."""
        return self._many(OPEN) if flow is None else self._many(OPEN_OF_FLOW, flow=flow)

    def undelivered(self) -> list[Purchase]:
        """Spent and never delivered, no person's word yet."""
        return self._many(UNDELIVERED)

    def purchases(self) -> list[Purchase]:
        """All of them, oldest first."""
        return self._many(PURCHASES)

    def events(self, purchase_id: str) -> list[Event]:
        """A purchase's whole story."""
        table = schema.events
        query = sa.select(table.c.kind, table.c.doc).where(table.c.purchase_id == purchase_id).order_by(table.c.version)
        with reading(self._engine) as connection:
            return [rows.event(kind, doc) for kind, doc in connection.execute(query)]

    def committed(self, asset: Asset) -> dict[tuple[str, str], int]:
        """What each cap bucket holds: (scope, bucket) -> atoms."""
        table = schema.committed
        query = sa.select(table.c.scope, table.c.bucket, table.c.atoms).where(
            table.c.asset == f"{asset.network}/{asset.address}"
        )
        with reading(self._engine) as connection:
            return {(scope, bucket): atoms for scope, bucket, atoms in connection.execute(query)}

    def quote(self, endpoint: str, asset: Asset) -> Quote | None:
        """The newest terms accepted for an endpoint."""
        with transaction(self._engine, write=False) as books:
            doc = books.scalar(QUOTE, endpoint=endpoint, asset=f"{asset.network}/{asset.address}")
        return None if doc is None else rows.quote(doc)

    def payee(self, seller: str, asset: Asset) -> str | None:
        """The payee pinned for a seller, when there is one."""
        with transaction(self._engine, write=False) as books:
            found = books.scalar(PAYEE, seller=seller, asset=f"{asset.network}/{asset.address}")
        return None if found is None else str(found)

    # ── for the warehouse ────────────────────────────────────────────────────────────────────────────────────────

    def last_seq(self) -> int:
        """The newest event's seq; 0 for an empty ledger."""
        with reading(self._engine) as connection:
            return connection.execute(sa.select(sa.func.max(schema.events.c.seq))).scalar() or 0

    def mark(self, seq: int) -> str | None:
        """A hash of the event at a seq."""
        table = schema.events
        query = sa.select(table.c.purchase_id, table.c.version, table.c.doc).where(table.c.seq == seq)
        with reading(self._engine) as connection:
            found = connection.execute(query).first()
        return None if found is None else rows.digest(f"{found[0]}/{found[1]}/".encode() + found[2])

    def delivery_index(self, after: int = 0) -> list[tuple[int, str]]:
        """(seq, purchase_id) of every delivery with seq > after."""
        table = schema.bodies
        query = sa.select(table.c.seq, table.c.purchase_id).where(table.c.seq > after).order_by(table.c.seq)
        with reading(self._engine) as connection:
            return [(seq, purchase_id) for seq, purchase_id in connection.execute(query)]

    def deliveries(self, after: int = 0, purchase_ids: Collection[str] | None = None) -> Iterator[Delivery]:
        """In seq order, bodies decompressed and held against the hash they arrived with; read a page at a time, so
        memory stays small. One that is damaged is marked so, and hides no other."""
        index = [(seq, pid) for seq, pid in self.delivery_index(after) if purchase_ids is None or pid in purchase_ids]
        for start in range(0, len(index), _PAGE):
            yield from self._delivery_page([pid for _, pid in index[start : start + _PAGE]])

    def delivery(self, purchase_id: str) -> Delivery | None:
        """What one purchase brought."""
        return next(iter(self._delivery_page([purchase_id])), None)

    def cost_rows(self, changed_after: int = 0) -> Iterator[CostRow]:
        """One per purchase whose newest event has seq > changed_after, in seq order."""
        table = schema.purchases
        after = changed_after
        while True:
            query = sa.select(table.c.seq, table.c.doc).where(table.c.seq > after).order_by(table.c.seq).limit(_PAGE)
            with reading(self._engine) as connection:
                page = [(seq, rows.purchase(doc)) for seq, doc in connection.execute(query)]
                latency = self._latencies(connection, [p.purchase_id for _, p in page])
            if not page:
                return
            yield from (_cost_row(seq, p, latency.get(p.purchase_id)) for seq, p in page)
            after = page[-1][0]

    def avoided_rows(self, after: int = 0) -> Iterator[AvoidedRow]:
        """In seq order."""
        table = schema.avoided
        query = sa.select(table.c.seq, table.c.doc).where(table.c.seq > after).order_by(table.c.seq)
        with reading(self._engine) as connection:
            found = connection.execute(query).all()
        for seq, doc in found:
            entry: dict[str, Any] = {**msgspec.json.decode(doc), "seq": seq}
            yield msgspec.convert(entry, AvoidedRow)

    # ── inside ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _one(self, statement: Statement, **values: str) -> Purchase | None:
        with transaction(self._engine, write=False) as books:
            doc = books.scalar(statement, **values)
        return None if doc is None else rows.purchase(doc)

    def _many(self, statement: Statement, **values: str) -> list[Purchase]:
        with transaction(self._engine, write=False) as books:
            return [rows.purchase(doc) for (doc,) in books.rows(statement, **values)]

    def _latest(self, books: Transaction, purchase_key: str) -> Purchase | None:
        doc = books.scalar(GENERATIONS, purchase_key=purchase_key)
        return None if doc is None else rows.purchase(doc)

    def _delivery_page(self, purchase_ids: list[str]) -> list[Delivery]:
        body, bought = schema.bodies, schema.purchases
        query = (
            sa.select(body, bought.c.doc.label("doc"))
            .join(bought, bought.c.purchase_id == body.c.purchase_id)
            .where(body.c.purchase_id.in_(purchase_ids))
            .order_by(body.c.seq)
        )
        with reading(self._engine) as connection:
            return [_delivery(row) for row in connection.execute(query)]

    def _latencies(self, connection: sa.Connection, purchase_ids: list[str]) -> dict[str, int]:
        table = schema.events
        query = (
            sa.select(table.c.purchase_id, table.c.doc)
            .where(table.c.purchase_id.in_(purchase_ids), table.c.kind == "answered")
            .order_by(table.c.seq)
        )
        found: dict[str, int] = {}
        for purchase_id, doc in connection.execute(query):
            answered = rows.event("answered", doc)
            assert isinstance(answered, Answered)
            found[purchase_id] = answered.elapsed_ms
        return found


def _delivery(row: sa.Row[Any]) -> Delivery:
    p = rows.purchase(row.doc)
    body = rows.whole_body(row.zstd, row.sha256)
    return Delivery(
        seq=row.seq,
        purchase_id=p.purchase_id,
        purchase_key=p.purchase_key,
        seller=p.order.seller,
        dataset=p.order.dataset,
        request=p.order.request,
        edition=p.order.edition,
        context=p.order.context,
        status=row.status,
        content_type=row.content_type,
        body=body or b"",
        received_at=row.received_at,
        lost=p.loss_accepted,
        damaged=body is None,
    )


def request_text(request: Request) -> str:
    """ "GET https://host/path?a=b": what a person recognises."""
    query = "&".join(f"{name}={value}" for name, value in request.params)
    return f"{request.endpoint}?{query}" if query else request.endpoint


def _cost_row(seq: int, p: Purchase, latency_ms: int | None) -> CostRow:
    settled = p.settlement
    return CostRow(
        seq=seq,
        purchase_id=p.purchase_id,
        purchase_key=p.purchase_key,
        generation=p.generation,
        run_id=p.run.run_id,
        flow=p.run.flow,
        deployment=p.run.deployment,
        flow_run_id=p.run.flow_run_id,
        reason=p.run.reason,
        seller=p.order.seller,
        dataset=p.order.dataset,
        request=request_text(p.order.request),
        edition=p.order.edition,
        network=p.asset.network,
        asset=p.asset.symbol,
        decimals=p.asset.decimals,
        amount_atomic=p.cost,
        money=p.money.value,
        data=p.data.value,
        undelivered=p.undelivered,
        denied=p.denied,
        nonce=p.nonce,
        tx_hash=settled.tx_hash if settled else None,
        block_number=settled.block_number if settled else None,
        block_time=settled.block_time if settled else None,
        verified_on_chain=settled is not None,
        attempts=p.sends + p.claims,
        latency_ms=latency_ms,
        created_at=p.created_at,
        delivered_at=p.delivered_at,
    )
