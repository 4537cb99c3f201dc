"""Read the bodies that arrived, in the order of their commits."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import sqlalchemy as sa

from payer.ledger.database import rows, schema
from payer.ledger.database.engine import OnEngine, read_connection
from payer.values.purchase import Delivery

_PAGE = 500


class Deliveries(OnEngine):
    """The part of a ledger that reads its newest event, and bodies."""

    def last_seq(self) -> int:
        """The newest event's seq; 0 for an empty ledger."""
        with read_connection(self._engine) as connection:
            return connection.execute(sa.select(sa.func.max(schema.events.c.seq))).scalar() or 0

    def mark(self, seq: int) -> str | None:
        """A hash of the event at a seq, None when there is none; tells a ledger from one restored since."""
        table = schema.events
        query = sa.select(table.c.purchase_id, table.c.version, table.c.doc).where(table.c.seq == seq)
        with read_connection(self._engine) as connection:
            row = connection.execute(query).first()
        return None if row is None else rows.digest(f"{row[0]}/{row[1]}/".encode() + row[2])

    def delivery_index(self, after: int = 0) -> list[tuple[int, str]]:
        """(seq, purchase_id) of every delivery with seq > after, in seq order."""
        table = schema.bodies
        query = sa.select(table.c.seq, table.c.purchase_id).where(table.c.seq > after).order_by(table.c.seq)
        with read_connection(self._engine) as connection:
            return [(seq, purchase_id) for seq, purchase_id in connection.execute(query)]

    def deliveries(self, after: int = 0, purchase_ids: Collection[str] | None = None) -> Iterator[Delivery]:
        """Deliveries with seq > after in seq order, all or those of some purchases, read a page at a time.

        Bodies are decompressed and compared with the hash they arrived with; a damaged one is marked and left empty.
        """
        wanted = [pid for _, pid in self.delivery_index(after) if purchase_ids is None or pid in purchase_ids]
        for start in range(0, len(wanted), _PAGE):
            yield from self._page(wanted[start : start + _PAGE])

    def delivery(self, purchase_id: str) -> Delivery | None:
        return next(iter(self._page([purchase_id])), None)

    def _page(self, purchase_ids: list[str]) -> list[Delivery]:
        body, purchase = schema.bodies, schema.purchases
        query = (
            sa.select(body, purchase.c.doc.label("doc"))
            .join(purchase, purchase.c.purchase_id == body.c.purchase_id)
            .where(body.c.purchase_id.in_(purchase_ids))
            .order_by(body.c.seq)
        )
        with read_connection(self._engine) as connection:
            return [_delivery(row) for row in connection.execute(query)]


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
