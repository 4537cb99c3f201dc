"""Facts beside purchases: who ran, what was quoted, who is paid, which calls the cache saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import sqlalchemy as sa

from payer.ledger import rows, schema
from payer.ledger.engine import writing
from payer.ledger.queries import ADD_PAYEE, ADD_RUN, PAYEE, PUT_QUOTE, QUOTE, TAKE_TURNS
from payer.ledger.scans import Scans
from payer.ledger.statements import Transaction, transaction
from payer.values.money import Asset
from payer.values.request import Run
from payer.values.terms import Quote


class Facts(Scans):
    """Each write is one durable commit."""

    def start_run(self, run: Run) -> None:
        """Remember who is running and why."""
        with transaction(self._engine, write=True) as books:
            books.run(ADD_RUN, run_id=run.run_id, flow=run.flow, started_at=run.started_at, doc=rows.encode(run))

    def put_quote(self, quote: Quote) -> Quote:
        """Keep the newest terms of an endpoint in an asset. What drift is measured from stays: a bill sets it."""
        asset = f"{quote.terms.asset.network}/{quote.terms.asset.address}"
        with transaction(self._engine, write=True) as books:
            self._take_turns(books)
            doc = books.scalar(QUOTE, endpoint=quote.endpoint, asset=asset)
            newest = replace(quote, baseline=quote.terms.amount if doc is None else rows.quote(doc).measure)
            self._write_quote(books, newest)
        return newest

    def _write_quote(self, books: Transaction, quote: Quote) -> None:
        books.run(
            PUT_QUOTE,
            endpoint=quote.endpoint,
            asset=f"{quote.terms.asset.network}/{quote.terms.asset.address}",
            seller=quote.seller,
            quoted_at=quote.quoted_at,
            doc=rows.encode(quote),
        )

    def pin_payee(self, seller: str, asset: Asset, pay_to: str, at: datetime) -> str:
        """Pin the payee seen first; returns the one that is pinned, which another process may have set."""
        key = f"{asset.network}/{asset.address}"
        with transaction(self._engine, write=True) as books:
            self._take_turns(books)
            pinned = books.scalar(PAYEE, seller=seller, asset=key)
            if pinned is None:
                books.run(ADD_PAYEE, seller=seller, asset=key, pay_to=pay_to, first_seen=at)
                return pay_to
            return str(pinned)

    def note_avoided(self, entries: Sequence[Mapping[str, object]], run: Run) -> None:
        """Record calls not made because the cache had them; each entry is an AvoidedRow without its seq."""
        if not entries:
            return
        with writing(self._engine) as connection:
            connection.execute(
                sa.insert(schema.avoided), [{"run_id": run.run_id, "doc": rows.encode(entry)} for entry in entries]
            )

    def _take_turns(self, books: Transaction) -> None:
        # SQLite's BEGIN IMMEDIATE already holds the one write lock. On PostgreSQL writers of caps wait here, before
        # they hold any purchase: in the other order two of them could wait for each other.
        if books.on_postgresql:
            books.run(TAKE_TURNS)
