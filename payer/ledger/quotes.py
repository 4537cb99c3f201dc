"""Keep accepted terms by endpoint, and the payee that is pinned for each seller."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from payer.ledger.database import rows
from payer.ledger.database.engine import OnEngine
from payer.ledger.database.queries import ADD_PAYEE, PAYEE, PUT_QUOTE, QUOTE, QUOTES, serialize_caps
from payer.ledger.database.rows import asset_key
from payer.ledger.database.statements import Transaction, transaction
from payer.policy.price_drift import with_price
from payer.values.money import Asset
from payer.values.terms import Quote


class Quotes(OnEngine):
    """The part of a ledger about terms and payees."""

    def quote(self, endpoint: str, asset: Asset) -> Quote | None:
        with transaction(self._engine, write=False) as txn:
            return find(txn, endpoint, asset)

    def quotes(self) -> list[Quote]:
        with transaction(self._engine, write=False) as txn:
            return [rows.quote(row[0]) for row in txn.rows(QUOTES)]

    def put_quote(self, new: Quote) -> Quote:
        """Keep the newest terms of an endpoint; the prices from which drift counts stay as they are."""
        with transaction(self._engine, write=True) as txn:
            serialize_caps(txn)
            before = find(txn, new.endpoint, new.terms.asset)
            kept = replace(new, baseline=new.terms.amount)
            if before is not None:
                kept = replace(new, baseline=before.measure, base=before.base, accepted=before.accepted)
            write(txn, kept)
        return kept

    def accept_price(self, offered: Quote) -> Quote:
        """Make a quote's price the base of its endpoint, from which drift counts: an operator's decision."""
        price, at = offered.terms.amount, offered.quoted_at
        with transaction(self._engine, write=True) as txn:
            serialize_caps(txn)
            before = find(txn, offered.endpoint, offered.terms.asset)
            history = () if before is None else before.accepted
            kept = replace(offered, baseline=price, base=price, accepted=with_price(history, price, at))
            write(txn, kept)
        return kept

    def payee(self, seller: str, asset: Asset) -> str | None:
        """The payee pinned for a seller, None when there is none."""
        with transaction(self._engine, write=False) as txn:
            pinned = txn.scalar(PAYEE, seller=seller, asset=asset_key(asset))
        return None if pinned is None else str(pinned)

    def pin_payee(self, seller: str, asset: Asset, pay_to: str, at: datetime) -> str:
        """Pin the payee seen first; returns the pinned one, which another process may have set."""
        with transaction(self._engine, write=True) as txn:
            serialize_caps(txn)
            pinned = txn.scalar(PAYEE, seller=seller, asset=asset_key(asset))
            if pinned is None:
                txn.run(ADD_PAYEE, seller=seller, asset=asset_key(asset), pay_to=pay_to, first_seen=at)
                return pay_to
            return str(pinned)


def find(txn: Transaction, endpoint: str, asset: Asset) -> Quote | None:
    doc = txn.scalar(QUOTE, endpoint=endpoint, asset=asset_key(asset))
    return None if doc is None else rows.quote(doc)


def write(txn: Transaction, kept: Quote) -> None:
    txn.run(
        PUT_QUOTE,
        endpoint=kept.endpoint,
        asset=asset_key(kept.terms.asset),
        seller=kept.seller,
        quoted_at=kept.quoted_at,
        doc=rows.encode(kept),
    )
