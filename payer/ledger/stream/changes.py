"""Read purchases and avoided calls as they change: each read is one short transaction, and takes no lock."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from payer.ledger.database import rows, schema
from payer.ledger.database.engine import OnEngine, read_connection
from payer.ledger.database.queries import with_newest_event
from payer.values.ledger_reads import AvoidedRow
from payer.values.purchase import Purchase

_PAGE = 500


@dataclass(frozen=True, slots=True)
class Change:
    """A purchase with its newest event: the event's number in the ledger, its time (UTC) and its kind."""

    seq: int
    at: datetime
    kind: str
    purchase: Purchase


class PurchaseChanges(OnEngine):
    """The newest event of every purchase, and calls that were avoided, by their numbers.

    A number may be committed after a larger one (PostgreSQL): a reader looks again at numbers shortly before the
    largest it has seen. Every method raises LedgerUnavailable when the database can't be read.
    """

    def index(self, after: int) -> dict[str, int]:
        """The number of each purchase's newest event, of those with a number > after."""
        event = schema.events
        query = with_newest_event(event.c.purchase_id, event.c.seq).where(event.c.seq > after).order_by(event.c.seq)
        with read_connection(self._engine) as connection:
            return {str(row[0]): int(row[1]) for row in connection.execute(query)}

    def of(self, purchase_ids: Collection[str]) -> list[Change]:
        """These purchases as they are now, in the order of their newest events."""
        wanted, found = sorted(purchase_ids), []
        for start in range(0, len(wanted), _PAGE):
            page = wanted[start : start + _PAGE]
            found += self._changes(_joined().where(schema.purchases.c.purchase_id.in_(page)))
        return sorted(found, key=lambda change: change.seq)

    def since(self, at: datetime) -> list[Change]:
        """Purchases whose newest event is not older, in the order of these events."""
        return self._changes(_joined().where(schema.events.c.at >= at).order_by(schema.events.c.seq))

    def newest(self, count: int) -> list[Change]:
        """The `count` purchases that changed last, in the order of their newest events."""
        return self._changes(_joined().order_by(schema.events.c.seq.desc()).limit(count))[::-1]

    def flows(self) -> list[str]:
        query = sa.select(schema.runs.c.flow).distinct().order_by(schema.runs.c.flow)
        with read_connection(self._engine) as connection:
            return list(connection.execute(query).scalars())

    def avoided_index(self, after: int) -> list[int]:
        table = schema.avoided
        query = sa.select(table.c.seq).where(table.c.seq > after).order_by(table.c.seq)
        with read_connection(self._engine) as connection:
            return list(connection.execute(query).scalars())

    def avoided(self, seqs: Collection[int]) -> list[AvoidedRow]:
        table, wanted, found = schema.avoided, sorted(seqs), []
        for start in range(0, len(wanted), _PAGE):
            query = sa.select(table.c.seq, table.c.doc).where(table.c.seq.in_(wanted[start : start + _PAGE]))
            found += self._avoided(query.order_by(table.c.seq))
        return found

    def avoided_newest(self, count: int) -> list[AvoidedRow]:
        table = schema.avoided
        return self._avoided(sa.select(table.c.seq, table.c.doc).order_by(table.c.seq.desc()).limit(count))[::-1]

    def _changes(self, query: Any) -> list[Change]:
        with read_connection(self._engine) as connection:
            return [Change(seq, at, kind, rows.purchase(doc)) for seq, at, kind, doc in connection.execute(query)]

    def _avoided(self, query: Any) -> list[AvoidedRow]:
        with read_connection(self._engine) as connection:
            return [rows.avoided(seq, doc) for seq, doc in connection.execute(query)]


def _joined() -> Any:
    return with_newest_event(schema.events.c.seq, schema.events.c.at, schema.events.c.kind, schema.purchases.c.doc)
