"""Read purchases, their events and bodies, and what changed: each read is one short transaction, and takes no lock."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy as sa

from payer.ledger.database import queries, rows, schema
from payer.ledger.database.engine import OnEngine, read_connection
from payer.ledger.database.statements import Statement, Transaction, transaction
from payer.values.events import Event
from payer.values.ledger_reads import AvoidedRow
from payer.values.money import Asset
from payer.values.purchase import Delivery, Purchase

T = TypeVar("T")

_PAGE = 500


class Purchases(OnEngine):
    """The part of a ledger that reads purchases, their events and bodies, and what the caps count of them.

    `LedgerReader` says how deliveries are read.
    """

    def get(self, purchase_id: str) -> Purchase | None:
        return self._one(queries.BY_ID, purchase_id=purchase_id)

    def again(self, purchase: Purchase) -> Purchase:
        """The purchase as it is now: the ledger never forgets one."""
        latest = self.get(purchase.purchase_id)
        assert latest is not None, "the ledger never forgets a purchase"
        return latest

    def by_nonce(self, nonce: str) -> Purchase | None:
        return self._one(queries.BY_NONCE, nonce=nonce)

    def find(self, purchase_key: str) -> Purchase | None:
        """The latest generation of a purchase key."""
        return self.find_each([purchase_key])[0]

    def find_each(self, purchase_keys: Sequence[str]) -> list[Purchase | None]:
        """The latest generation of each purchase key, read at once."""
        with transaction(self._engine, write=False) as txn:
            return [latest(txn, key) for key in purchase_keys]

    def newest_of(self, payer: str) -> Purchase | None:
        """The newest purchase paid, or to be paid, from a wallet; None when it has none."""
        query = queries.with_newest_event(schema.purchases.c.doc).order_by(schema.events.c.seq.desc())
        with read_connection(self._engine) as opened, opened.execution_options(yield_per=100).execute(query) as found:
            purchases = (rows.purchase(doc) for (doc,) in found)
            return next((purchase for purchase in purchases if purchase.payer == payer), None)

    def open_purchases(self, flow: str | None = None) -> list[Purchase]:
        """Purchases with something left to do, of one flow or all, oldest first."""
        return self._many(queries.OPEN) if flow is None else self._many(queries.OPEN_OF_FLOW, flow=flow)

    def undelivered(self) -> list[Purchase]:
        """Purchases spent and never delivered, whose loss nobody has accepted."""
        return self._many(queries.UNDELIVERED)

    def failed_deliveries(self) -> list[Purchase]:
        """Purchases whose body can't be used, and whose loss nobody has accepted."""
        return self._many(queries.FAILED)

    def purchases(self) -> list[Purchase]:
        """All purchases, oldest first."""
        return self._many(queries.PURCHASES)

    def events(self, purchase_id: str) -> list[Event]:
        with transaction(self._engine, write=False) as txn:
            return [rows.event(kind, doc) for kind, doc in txn.rows(queries.EVENTS, purchase_id=purchase_id)]

    def committed(self, asset: Asset) -> dict[tuple[str, str], int]:
        """Atomic units that count against the caps of an asset, by (scope, bucket); see `caps.buckets`."""
        table = schema.committed
        query = sa.select(table.c.scope, table.c.bucket, table.c.atoms).where(table.c.asset == rows.asset_key(asset))
        return {(scope, bucket): amount for scope, bucket, amount in self._fetched(query)}

    def last_seq(self) -> int:
        return self._fetched(sa.select(sa.func.max(schema.events.c.seq)))[0][0] or 0

    def mark(self, seq: int) -> str | None:
        table = schema.events
        query = sa.select(table.c.purchase_id, table.c.version, table.c.doc).where(table.c.seq == seq)
        marks = [rows.digest(f"{pid}/{version}/".encode() + doc) for pid, version, doc in self._fetched(query)]
        return marks[0] if marks else None

    def delivery_index(self, after: int = 0) -> list[tuple[int, str]]:
        table = schema.bodies
        query = sa.select(table.c.seq, table.c.purchase_id).where(table.c.seq > after).order_by(table.c.seq)
        return [(seq, purchase_id) for seq, purchase_id in self._fetched(query)]

    def deliveries(self, after: int = 0, purchase_ids: Collection[str] | None = None) -> Iterator[Delivery]:
        wanted = [seq for seq, pid in self.delivery_index(after) if purchase_ids is None or pid in purchase_ids]
        for page in _pages(wanted):
            yield from (_delivery(row) for row in self._fetched(_bodies().where(schema.bodies.c.seq.in_(page))))

    def delivery(self, purchase_id: str) -> Delivery | None:
        event = schema.events.c
        numbers = sa.select(event.seq).where(event.purchase_id == purchase_id, event.kind == rows.DELIVERED)
        found = self._fetched(_bodies().where(schema.bodies.c.seq.in_(numbers)))
        return _delivery(found[0]) if found else None

    def _one(self, statement: Statement, **values: str) -> Purchase | None:
        with transaction(self._engine, write=False) as txn:
            doc = txn.scalar(statement, **values)
        return None if doc is None else rows.purchase(doc)

    def _many(self, statement: Statement, **values: str) -> list[Purchase]:
        with transaction(self._engine, write=False) as txn:
            return [rows.purchase(doc) for (doc,) in txn.rows(statement, **values)]


def latest(txn: Transaction, purchase_key: str) -> Purchase | None:
    """The latest generation of a purchase key, within a transaction."""
    doc = txn.scalar(queries.GENERATIONS, purchase_key=purchase_key)
    return None if doc is None else rows.purchase(doc)


def _bodies() -> sa.Select[Any]:
    """Bodies in the order they came, each with its purchase's document. A body has its Delivered event's number."""
    body, purchase = schema.bodies, schema.purchases
    query = sa.select(body, purchase.c.doc.label("doc"))
    return query.join(purchase, purchase.c.purchase_id == body.c.purchase_id).order_by(body.c.seq)


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


@dataclass(frozen=True, slots=True)
class Change:
    """A purchase with its newest event: the event's number in the ledger, its time (UTC) and its kind."""

    seq: int
    at: datetime
    kind: str
    purchase: Purchase


class PurchaseChanges(OnEngine):
    """The newest event of every purchase, and calls that were avoided, by their numbers: for who watches a ledger.

    A number may be committed after a larger one (PostgreSQL): a reader looks again at numbers shortly before the
    largest it has seen. Every method raises LedgerUnavailable when the database can't be read.
    """

    def index(self, after: int) -> dict[str, int]:
        """The number of each purchase's newest event, of those with a number > after."""
        event = schema.events.c
        query = queries.with_newest_event(event.purchase_id, event.seq).where(event.seq > after).order_by(event.seq)
        return {str(row[0]): int(row[1]) for row in self._fetched(query)}

    def of(self, purchase_ids: Collection[str]) -> list[Change]:
        """These purchases as they are now, in the order of their newest events."""
        found: list[Change] = []
        for page in _pages(sorted(purchase_ids)):
            found += self._changes(_joined().where(schema.purchases.c.purchase_id.in_(page)))
        return sorted(found, key=lambda change: change.seq)

    def since(self, at: datetime) -> list[Change]:
        """Purchases whose newest event is not older, in the order of these events."""
        return self._changes(_joined().where(schema.events.c.at >= at).order_by(schema.events.c.seq))

    def newest(self, count: int) -> list[Change]:
        """The `count` purchases that changed last, in the order of their newest events."""
        return self._changes(_joined().order_by(schema.events.c.seq.desc()).limit(count))[::-1]

    def flows(self) -> list[str]:
        flow = schema.runs.c.flow
        return [row[0] for row in self._fetched(sa.select(flow).distinct().order_by(flow))]

    def avoided_index(self, after: int) -> list[int]:
        seq = schema.avoided.c.seq
        return [row[0] for row in self._fetched(sa.select(seq).where(seq > after).order_by(seq))]

    def avoided(self, seqs: Collection[int]) -> list[AvoidedRow]:
        table, found = schema.avoided, list[AvoidedRow]()
        for page in _pages(sorted(seqs)):
            query = sa.select(table.c.seq, table.c.doc).where(table.c.seq.in_(page)).order_by(table.c.seq)
            found += [rows.avoided(*row) for row in self._fetched(query)]
        return found

    def avoided_newest(self, count: int) -> list[AvoidedRow]:
        table = schema.avoided
        query = sa.select(table.c.seq, table.c.doc).order_by(table.c.seq.desc()).limit(count)
        return [rows.avoided(*row) for row in self._fetched(query)][::-1]

    def _changes(self, query: sa.Select[Any]) -> list[Change]:
        return [Change(seq, at, kind, rows.purchase(doc)) for seq, at, kind, doc in self._fetched(query)]


def _joined() -> sa.Select[Any]:
    event = schema.events.c
    return queries.with_newest_event(event.seq, event.at, event.kind, schema.purchases.c.doc)


def _pages(wanted: Sequence[T]) -> Iterator[Sequence[T]]:
    return (wanted[start : start + _PAGE] for start in range(0, len(wanted), _PAGE))
