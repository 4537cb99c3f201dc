"""Read the bodies that arrived, in the order of their commits."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import sqlalchemy as sa

from payer.ledger.database import rows, schema
from payer.ledger.database.engine import read_connection
from payer.values.purchase import Delivery

_PAGE = 500


def last_seq(engine: sa.Engine) -> int:
    """The newest event's seq; 0 for an empty ledger."""
    with read_connection(engine) as connection:
        return connection.execute(sa.select(sa.func.max(schema.events.c.seq))).scalar() or 0


def mark(engine: sa.Engine, seq: int) -> str | None:
    """A hash of the event at a seq, None when there is none."""
    table = schema.events
    query = sa.select(table.c.purchase_id, table.c.version, table.c.doc).where(table.c.seq == seq)
    with read_connection(engine) as connection:
        row = connection.execute(query).first()
    return None if row is None else rows.digest(f"{row[0]}/{row[1]}/".encode() + row[2])


def index(engine: sa.Engine, after: int = 0) -> list[tuple[int, str]]:
    """(seq, purchase_id) of every delivery with seq > after, in seq order."""
    table = schema.bodies
    query = sa.select(table.c.seq, table.c.purchase_id).where(table.c.seq > after).order_by(table.c.seq)
    with read_connection(engine) as connection:
        return [(seq, purchase_id) for seq, purchase_id in connection.execute(query)]


def pages(engine: sa.Engine, after: int = 0, purchase_ids: Collection[str] | None = None) -> Iterator[Delivery]:
    """Deliveries in seq order, read a page at a time so that memory stays small."""
    wanted = [pid for _, pid in index(engine, after) if purchase_ids is None or pid in purchase_ids]
    for start in range(0, len(wanted), _PAGE):
        yield from page(engine, wanted[start : start + _PAGE])


def page(engine: sa.Engine, purchase_ids: list[str]) -> list[Delivery]:
    """The deliveries of some purchases, bodies decompressed and compared with their hash."""
    body, purchase = schema.bodies, schema.purchases
    query = (
        sa.select(body, purchase.c.doc.label("doc"))
        .join(purchase, purchase.c.purchase_id == body.c.purchase_id)
        .where(body.c.purchase_id.in_(purchase_ids))
        .order_by(body.c.seq)
    )
    with read_connection(engine) as connection:
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
