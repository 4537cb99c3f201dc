"""Keep accepted terms by endpoint, and the payee that is pinned for each seller."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import sqlalchemy as sa

from payer.ledger.database import rows
from payer.ledger.database.locks import serialize_caps
from payer.ledger.database.queries import ADD_PAYEE, PAYEE, PUT_QUOTE, QUOTE, QUOTES
from payer.ledger.database.rows import asset_key
from payer.ledger.database.statements import Transaction, transaction
from payer.policy.price_drift import with_price
from payer.values.money import Asset
from payer.values.terms import Quote


def quote(engine: sa.Engine, endpoint: str, asset: Asset) -> Quote | None:
    """The newest terms accepted for an endpoint."""
    with transaction(engine, write=False) as txn:
        doc = txn.scalar(QUOTE, endpoint=endpoint, asset=asset_key(asset))
    return None if doc is None else rows.quote(doc)


def every(engine: sa.Engine) -> list[Quote]:
    """The newest terms of every endpoint, by endpoint."""
    with transaction(engine, write=False) as txn:
        return [rows.quote(row[0]) for row in txn.rows(QUOTES)]


def put_quote(engine: sa.Engine, new: Quote) -> Quote:
    """Keep new terms, with the prices that were accepted before them."""
    with transaction(engine, write=True) as txn:
        serialize_caps(txn)
        doc = txn.scalar(QUOTE, endpoint=new.endpoint, asset=asset_key(new.terms.asset))
        before = None if doc is None else rows.quote(doc)
        kept = replace(new, baseline=new.terms.amount)
        if before is not None:
            kept = replace(new, baseline=before.measure, base=before.base, accepted=before.accepted)
        write(txn, kept)
    return kept


def accept_price(engine: sa.Engine, offered: Quote) -> Quote:
    """Make a quote's price the base of its endpoint, and the newest price accepted; return what is kept."""
    price, at = offered.terms.amount, offered.quoted_at
    with transaction(engine, write=True) as txn:
        serialize_caps(txn)
        doc = txn.scalar(QUOTE, endpoint=offered.endpoint, asset=asset_key(offered.terms.asset))
        history = () if doc is None else rows.quote(doc).accepted
        kept = replace(offered, baseline=price, base=price, accepted=with_price(history, price, at))
        write(txn, kept)
    return kept


def write(txn: Transaction, kept: Quote) -> None:
    """Write a quote, within a transaction."""
    txn.run(
        PUT_QUOTE,
        endpoint=kept.endpoint,
        asset=asset_key(kept.terms.asset),
        seller=kept.seller,
        quoted_at=kept.quoted_at,
        doc=rows.encode(kept),
    )


def payee(engine: sa.Engine, seller: str, asset: Asset) -> str | None:
    """The payee pinned for a seller and asset."""
    with transaction(engine, write=False) as txn:
        pinned = txn.scalar(PAYEE, seller=seller, asset=asset_key(asset))
    return None if pinned is None else str(pinned)


def pin_payee(engine: sa.Engine, seller: str, asset: Asset, pay_to: str, at: datetime) -> str:
    """Pin a payee unless one is pinned; the one that is pinned then."""
    with transaction(engine, write=True) as txn:
        serialize_caps(txn)
        pinned = txn.scalar(PAYEE, seller=seller, asset=asset_key(asset))
        if pinned is None:
            txn.run(ADD_PAYEE, seller=seller, asset=asset_key(asset), pay_to=pay_to, first_seen=at)
            return pay_to
        return str(pinned)
