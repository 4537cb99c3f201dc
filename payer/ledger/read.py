"""Read purchases and their events."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from payer.ledger.database import rows, schema
from payer.ledger.database.engine import read_connection
from payer.ledger.database.queries import GENERATIONS
from payer.ledger.database.statements import Statement, Transaction, transaction
from payer.values.events import Event
from payer.values.purchase import Purchase


def one(engine: sa.Engine, statement: Statement, **values: str) -> Purchase | None:
    """The first purchase that a statement of `queries` selects."""
    with transaction(engine, write=False) as txn:
        doc = txn.scalar(statement, **values)
    return None if doc is None else rows.purchase(doc)


def many(engine: sa.Engine, statement: Statement, **values: str) -> list[Purchase]:
    """Every purchase that a statement of `queries` selects."""
    with transaction(engine, write=False) as txn:
        return [rows.purchase(doc) for (doc,) in txn.rows(statement, **values)]


def find_each(engine: sa.Engine, purchase_keys: Sequence[str]) -> list[Purchase | None]:
    """The latest generation of each purchase key, in one transaction."""
    with transaction(engine, write=False) as txn:
        return [latest(txn, key) for key in purchase_keys]


def latest(txn: Transaction, purchase_key: str) -> Purchase | None:
    """The latest generation of a purchase key, within a transaction."""
    doc = txn.scalar(GENERATIONS, purchase_key=purchase_key)
    return None if doc is None else rows.purchase(doc)


def newest_of(engine: sa.Engine, payer: str) -> Purchase | None:
    """The newest purchase paid, or to be paid, from a wallet."""
    table = schema.purchases
    query = sa.select(table.c.doc).order_by(table.c.seq.desc())
    with read_connection(engine) as connection, connection.execution_options(yield_per=100).execute(query) as found:
        purchases = (rows.purchase(doc) for (doc,) in found)
        return next((purchase for purchase in purchases if purchase.payer == payer), None)


def events(engine: sa.Engine, purchase_id: str) -> list[Event]:
    """A purchase's events in order."""
    table = schema.events
    query = sa.select(table.c.kind, table.c.doc).where(table.c.purchase_id == purchase_id).order_by(table.c.version)
    with read_connection(engine) as connection:
        return [rows.event(kind, doc) for kind, doc in connection.execute(query)]
