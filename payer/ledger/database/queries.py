"""The statements that run at every paid call, and the locks that put writers in order. Rare and bulk queries
stand where they are used.

Those that search have an index made for it in `schema`; a test reads their query plans. Locks are PostgreSQL's advisory
ones, held until the transaction ends: SQLite needs none, a write transaction holds its one write lock from BEGIN
IMMEDIATE on.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from payer.ledger.database import schema
from payer.ledger.database.statements import Statement, Transaction


def _parameter(column: sa.Column[Any]) -> sa.BindParameter[Any]:
    return sa.bindparam(column.name, type_=column.type)


def _by(table: sa.Table, *names: str) -> sa.ColumnElement[bool]:
    """Select by the parameters of these columns."""
    return sa.and_(*(table.c[name] == _parameter(table.c[name]) for name in names))


def _insert_clause(table: sa.Table, *omitted: str) -> sa.Insert:
    return sa.insert(table).values({c.name: _parameter(c) for c in table.c if c.name not in omitted})


def _insert(table: sa.Table) -> Statement:
    return Statement(_insert_clause(table))


def _update(table: sa.Table, key: str, *fixed: str) -> Statement:
    """Update every column but the key and the fixed ones, whose indexes then need no update."""
    values = {column.name: _parameter(column) for column in table.c if column.name not in (key, *fixed)}
    return Statement(sa.update(table).where(table.c[key] == _parameter(table.c[key])).values(values))


def _insert_or(table: sa.Table, on_conflict: str) -> Statement:
    """Insert with an ON CONFLICT clause, whose SQL is the same on SQLite and PostgreSQL."""
    columns = ", ".join(column.name for column in table.c)
    values = ", ".join(f":{column.name}" for column in table.c)
    text = f"INSERT INTO {table.name} ({columns}) VALUES ({values}) ON CONFLICT {on_conflict}"
    return Statement(sa.text(text).bindparams(*(_parameter(column) for column in table.c)))


def _insert_or_replace(table: sa.Table) -> Statement:
    keys = ", ".join(column.name for column in table.primary_key)
    rest = ", ".join(f"{c.name} = excluded.{c.name}" for c in table.c if not c.primary_key)
    return _insert_or(table, f"({keys}) DO UPDATE SET {rest}")


_purchases, _quotes = schema.purchases, schema.quotes

ADD_EVENT = Statement(_insert_clause(schema.events, "seq"))
ADD_EVENT_RETURNING = Statement(_insert_clause(schema.events, "seq").returning(schema.events.c.seq))
ADD_PURCHASE = _insert(schema.purchases)
SET_WHOLE_PURCHASE = _update(schema.purchases, "purchase_id", "purchase_key", "generation")
"""As SET_PURCHASE, for a void purchase that changes its asset or wallet."""
_identity = ("purchase_id", "purchase_key", "generation", "asset", "nonce")
SET_PURCHASE = _update(schema.purchases, *_identity)
_searched = ("seller", "dataset", "flow", "run_id", "is_open", "undelivered", "failed")
SET_PURCHASE_STATE = _update(schema.purchases, *_identity, *_searched)
"""As SET_PURCHASE, for events that change nothing of `rows.searched_by`."""
ADD_BODY = _insert(schema.bodies)
ADD_RUN = _insert(schema.runs)
ADD_EVIDENCE = _insert_or(schema.evidence, "DO NOTHING")
HAS_EVIDENCE = Statement(sa.select(schema.evidence.c.sha256).where(_by(schema.evidence, "sha256")))
PUT_COMMITTED = _insert_or_replace(schema.committed)
PUT_QUOTE = _insert_or_replace(schema.quotes)

COMMITTED = Statement(
    sa.select(schema.committed.c.scope, schema.committed.c.bucket, schema.committed.c.atoms).where(
        schema.committed.c.asset == sa.bindparam("asset"),
        sa.or_(
            *(
                (schema.committed.c.scope == sa.literal_column(f"'{scope}'"))
                & (schema.committed.c.bucket == sa.bindparam(scope))
                for scope in ("run", "flow_day", "day", "month", "seller_day", "seller_month")
            )
        ),
    )
)
_version = sa.select(_purchases.c.version).where(_by(_purchases, "purchase_id"))
VERSION = Statement(_version)
HOLD_VERSION = Statement(_version.with_for_update())
BY_ID = Statement(sa.select(_purchases.c.doc).where(_by(_purchases, "purchase_id")))
BY_NONCE = Statement(sa.select(_purchases.c.doc).where(_by(_purchases, "nonce")))
_of_key = sa.select(_purchases.c.doc).where(_by(_purchases, "purchase_key"))
GENERATIONS = Statement(_of_key.order_by(_purchases.c.generation.desc()))
_docs = sa.select(_purchases.c.doc).order_by(_purchases.c.seq)
OPEN = Statement(_docs.where(_purchases.c.is_open))
OPEN_OF_FLOW = Statement(_docs.where(_purchases.c.is_open, _by(_purchases, "flow")))
UNDELIVERED = Statement(_docs.where(_purchases.c.undelivered))
FAILED = Statement(_docs.where(_purchases.c.failed))
PURCHASES = Statement(_docs)
_of_seller = _by(_purchases, "seller", "asset")
LOSSES = Statement(
    sa.select(_purchases.c.purchase_id, _purchases.c.committed).where(_purchases.c.undelivered, _of_seller)
)
_events = sa.select(schema.events.c.kind, schema.events.c.doc).where(_by(schema.events, "purchase_id"))
EVENTS = Statement(_events.order_by(schema.events.c.version))
FAILURES = Statement(sa.select(_purchases.c.committed).where(_purchases.c.failed, _of_seller))
"""As LOSSES, for bodies that can't be used."""
IN_DOUBT = Statement(sa.select(_purchases.c.doc).where(_purchases.c.in_doubt, _of_seller))
"""Sent, and answered without the data or not at all. What is undelivered is no doubt any more."""
QUOTE = Statement(sa.select(_quotes.c.doc).where(_by(_quotes, "endpoint", "asset")))
QUOTES = Statement(sa.select(_quotes.c.doc).order_by(_quotes.c.endpoint, _quotes.c.asset))
PAYEE = Statement(sa.select(schema.payees.c.pay_to).where(_by(schema.payees, "seller", "asset")))
ADD_PAYEE = _insert(schema.payees)
_paid = schema.paid_on_chain
PAID_ON_CHAIN = Statement(
    sa.select(_paid.c.at, _paid.c.pay_to, _paid.c.nonce, _paid.c.value, _purchases.c.committed)
    .join_from(
        _paid, _purchases, (_purchases.c.nonce == _paid.c.nonce) & (_purchases.c.asset == _paid.c.asset), isouter=True
    )
    .where(
        _by(_paid, "wallet", "asset"),
        _paid.c.at >= sa.bindparam("first", type_=_paid.c.at.type),
        _paid.c.at < sa.bindparam("after", type_=_paid.c.at.type),
    )
)
"""A wallet's transfers of a time, each with what the purchase over its nonce commits, if there is one. Runs in each
transaction that reserves."""
_freezes = schema.freezes
_freeze = sa.select(_freezes.c.seller, _freezes.c.since, _freezes.c.frozen_by, _freezes.c.reason)
_every_seller: sa.ColumnElement[str] = sa.literal_column("'*'", sa.Text)
_this_seller: sa.ColumnElement[str] = sa.bindparam("seller", type_=sa.Text)
FREEZES = Statement(_freeze.where(_freezes.c.seller.in_([_every_seller, _this_seller])))
"""The freezes that hold for a seller. Runs before each signature, by the primary key."""
_against_limit = sa.select(_purchases.c.purchase_id).where(schema.against_limit, _of_seller)
_frozen = [_freeze.where(_freezes.c.seller == seller) for seller in (_every_seller, _this_seller)]
MAY_BE_REFUSED = Statement(sa.select(sa.or_(*(found.exists() for found in (*_frozen, _against_limit)))))
"""True if a freeze, a loss or a doubt has to be read before a signature: most often there is none of them. The two
freezes are asked for one by one: for the IN of `FREEZES` SQLite builds a table, which takes as long as all the rest."""
ALL_FREEZES = Statement(_freeze.order_by(_freezes.c.seller))
ADD_FREEZE = _insert(_freezes)
DELETE_FREEZE = Statement(sa.delete(_freezes).where(_by(_freezes, "seller")))


def with_newest_event(*columns: sa.Column[Any]) -> sa.Select[Any]:
    """Select from purchases, each with its newest event. In the order of their numbers events lead: it is their key."""
    events = schema.events
    newest = sa.and_(_purchases.c.purchase_id == events.c.purchase_id, _purchases.c.seq == events.c.seq)
    return sa.select(*columns).join_from(events, _purchases, newest)


_UPGRADES = sa.text("SELECT pg_advisory_xact_lock(74011, 1)")
_CAPS = Statement(sa.text("SELECT pg_advisory_xact_lock(74011, 2)"))
_SCANS = sa.text("SELECT pg_advisory_xact_lock(74011, 3)")


def serialize_upgrades(connection: sa.Connection) -> None:
    """Wait for another process that upgrades the schema."""
    if connection.dialect.name == "postgresql":
        connection.execute(_UPGRADES)


def serialize_caps(txn: Transaction) -> None:
    """Wait for other writers of caps, quotes and payees.

    Call it before any purchase is locked: in the other order two writers could wait for each other.
    """
    if txn.on_postgresql:
        txn.run(_CAPS)


def serialize_scans(connection: sa.Connection) -> None:
    """Wait for another process that writes the transfers of the same blocks."""
    if connection.dialect.name == "postgresql":
        connection.execute(_SCANS)
