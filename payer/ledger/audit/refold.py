"""Read a whole ledger, a page of purchases at a time in one consistent read, and compare it with its events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from payer.ledger.audit.compare import (
    Bucket,
    Mismatch,
    StoredEvent,
    compare_buckets,
    compare_purchase,
    count,
)
from payer.ledger.database import schema
from payer.ledger.database.engine import read_connection

_PAGE = 500


def mismatches(engine: sa.Engine) -> list[Mismatch]:
    """Fold every purchase from its events; return each value kept beside them that differs. Memory stays small.

    Raises LedgerUnavailable when the database can't be read.
    """
    if engine.dialect.name == "postgresql":
        engine = engine.execution_options(isolation_level="REPEATABLE READ")
    found: list[Mismatch] = []
    totals: dict[Bucket, int] = {}
    with read_connection(engine) as connection:
        after = ""
        while True:
            page = _purchases(connection, after)
            last = page[-1]["purchase_id"] if page else None
            events = _events(connection, after, last)
            for row in page:
                folded, wrong = compare_purchase(row, events.pop(row["purchase_id"], []))
                found += wrong
                if folded is not None:
                    count(folded, totals)
            found += [Mismatch("it has events and no row in the projection", purchase_id) for purchase_id in events]
            if last is None:
                break
            after = last
        table = schema.committed
        query = sa.select(table.c.asset, table.c.scope, table.c.bucket, sa.type_coerce(table.c.atoms, sa.Text))
        stored = {(asset, scope, bucket): str(held) for asset, scope, bucket, held in connection.execute(query)}
    return [*found, *compare_buckets(totals, stored)]


def _purchases(connection: sa.Connection, after: str) -> Sequence[Mapping[str, Any]]:
    table = schema.purchases
    columns = [
        sa.type_coerce(column, sa.Text).label(column.name) if column is table.c.committed else column
        for column in table.c
        if column.name not in ("lease_owner", "lease_until")
    ]
    query = sa.select(*columns).where(table.c.purchase_id > after).order_by(table.c.purchase_id).limit(_PAGE)
    return [dict(row) for row in connection.execute(query).mappings()]


def _events(connection: sa.Connection, after: str, last: str | None) -> dict[str, list[StoredEvent]]:
    """Return the events of purchases with ids behind `after` up to `last` (None: all that follow), in order."""
    table = schema.events
    query = sa.select(table.c.purchase_id, table.c.seq, table.c.version, table.c.kind, table.c.doc).where(
        table.c.purchase_id > after
    )
    if last is not None:
        query = query.where(table.c.purchase_id <= last)
    events: dict[str, list[StoredEvent]] = {}
    for purchase_id, *fields in connection.execute(query.order_by(table.c.purchase_id, table.c.version)):
        events.setdefault(purchase_id, []).append(StoredEvent(*fields))
    return events
