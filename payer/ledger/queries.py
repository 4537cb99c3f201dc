"""The statements of the books' daily work. What is read now and then, or in bulk, is written where it is used."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from payer.ledger import schema
from payer.ledger.statements import Statement


def _given(column: sa.Column[Any]) -> sa.BindParameter[Any]:
    return sa.bindparam(column.name, type_=column.type)


def _insertion(table: sa.Table, *left_out: str) -> sa.Insert:
    return sa.insert(table).values({column.name: _given(column) for column in table.c if column.name not in left_out})


def _insert(table: sa.Table) -> Statement:
    return Statement(_insertion(table))


def _update(table: sa.Table, key: str, *fixed: str) -> Statement:
    """Set all but the key and what never changes, whose indexes then needn't be touched."""
    values = {column.name: _given(column) for column in table.c if column.name not in (key, *fixed)}
    return Statement(sa.update(table).where(table.c[key] == _given(table.c[key])).values(values))


def _put(table: sa.Table) -> Statement:
    """Insert, or replace the row of the same key. Both stores understand the same words."""
    columns = ", ".join(column.name for column in table.c)
    names = ", ".join(f":{column.name}" for column in table.c)
    keys = ", ".join(column.name for column in table.primary_key)
    rest = ", ".join(f"{c.name} = excluded.{c.name}" for c in table.c if not c.primary_key)
    text = f"INSERT INTO {table.name} ({columns}) VALUES ({names}) ON CONFLICT ({keys}) DO UPDATE SET {rest}"
    return Statement(sa.text(text).bindparams(*(_given(column) for column in table.c)))


def _keep(table: sa.Table) -> Statement:
    """Insert, unless another process has put the same in meanwhile."""
    columns = ", ".join(column.name for column in table.c)
    names = ", ".join(f":{column.name}" for column in table.c)
    text = f"INSERT INTO {table.name} ({columns}) VALUES ({names}) ON CONFLICT DO NOTHING"
    return Statement(sa.text(text).bindparams(*(_given(column) for column in table.c)))


_bought, _spoken, _body = schema.purchases, schema.quotes, schema.bodies

ADD_EVENT = Statement(_insertion(schema.events, "seq"))
ADD_EVENT_RETURNING = Statement(_insertion(schema.events, "seq").returning(schema.events.c.seq))
ADD_PURCHASE = _insert(schema.purchases)
MOVE_PURCHASE = _update(schema.purchases, "purchase_id", "purchase_key", "generation")
"""As SET_PURCHASE, for one that goes over to another rail."""
SET_PURCHASE = _update(schema.purchases, "purchase_id", "purchase_key", "generation", "asset", "nonce")
ADD_BODY = _insert(schema.bodies)
ADD_RUN = _insert(schema.runs)
ADD_EVIDENCE = _keep(schema.evidence)
HAS_EVIDENCE = Statement(sa.select(schema.evidence.c.sha256).where(schema.evidence.c.sha256 == sa.bindparam("sha256")))
PUT_COMMITTED = _put(schema.committed)
PUT_QUOTE = _put(schema.quotes)

COMMITTED = Statement(
    sa.select(schema.committed.c.scope, schema.committed.c.bucket, schema.committed.c.atoms).where(
        schema.committed.c.asset == sa.bindparam("asset"),
        sa.or_(
            *(
                (schema.committed.c.scope == sa.literal_column(f"'{scope}'"))
                & (schema.committed.c.bucket == sa.bindparam(scope))
                for scope in ("run", "flow_day", "day", "month")
            )
        ),
    )
)
_version = sa.select(_bought.c.version).where(_bought.c.purchase_id == sa.bindparam("purchase_id"))
VERSION = Statement(_version)
HOLD_VERSION = Statement(_version.with_for_update())
BY_ID = Statement(sa.select(_bought.c.doc).where(_bought.c.purchase_id == sa.bindparam("purchase_id")))
BY_NONCE = Statement(sa.select(_bought.c.doc).where(_bought.c.nonce == sa.bindparam("nonce")))
GENERATIONS = Statement(
    sa.select(_bought.c.doc)
    .where(_bought.c.purchase_key == sa.bindparam("purchase_key"))
    .order_by(_bought.c.generation.desc())
)
_docs = sa.select(_bought.c.doc).order_by(_bought.c.seq)
OPEN = Statement(_docs.where(_bought.c.is_open))
OPEN_OF_FLOW = Statement(_docs.where(_bought.c.is_open, _bought.c.flow == sa.bindparam("flow")))
UNDELIVERED = Statement(_docs.where(_bought.c.undelivered))
PURCHASES = Statement(_docs)
LOSSES = Statement(
    sa.select(_bought.c.committed).where(
        _bought.c.undelivered, _bought.c.seller == sa.bindparam("seller"), _bought.c.asset == sa.bindparam("asset")
    )
)
IN_DOUBT = Statement(
    sa.select(_bought.c.doc).where(
        _bought.c.is_open,
        sa.or_(*(_bought.c.money == sa.literal_column(f"'{money}'") for money in ("exposed", "spent"))),
        _bought.c.data == sa.literal_column("'absent'"),
        _bought.c.undelivered.is_not(sa.true()),
        _bought.c.seller == sa.bindparam("seller"),
        _bought.c.asset == sa.bindparam("asset"),
    )
)
"""Sent and not delivered, and not given up on: an undelivered one may be open, too, until its block is final.

Asked before each signature, so it has an index of its own; said with NOT, SQLite would go through all that were ever
delivered instead."""
QUOTE = Statement(
    sa.select(_spoken.c.doc).where(
        _spoken.c.endpoint == sa.bindparam("endpoint"), _spoken.c.asset == sa.bindparam("asset")
    )
)
PAYEE = Statement(
    sa.select(schema.payees.c.pay_to).where(
        schema.payees.c.seller == sa.bindparam("seller"), schema.payees.c.asset == sa.bindparam("asset")
    )
)
ADD_PAYEE = _insert(schema.payees)
TAKE_TURNS = Statement(sa.text("SELECT pg_advisory_xact_lock(74011, 2)"))
"""PostgreSQL only: reservations wait for each other here."""
