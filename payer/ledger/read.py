"""Read purchases and their events."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from payer.ledger.database import queries, rows, schema
from payer.ledger.database.engine import OnEngine, read_connection
from payer.ledger.database.statements import Statement, Transaction, transaction
from payer.values.events import Event
from payer.values.money import Asset
from payer.values.purchase import Purchase


class Purchases(OnEngine):
    """The part of a ledger that reads purchases, their events, and what the caps count of them."""

    def get(self, purchase_id: str) -> Purchase | None:
        return self._one(queries.BY_ID, purchase_id=purchase_id)

    def again(self, purchase: Purchase) -> Purchase:
        """The purchase as it is now: the ledger never forgets one."""
        latest = self.get(purchase.purchase_id)
        assert latest is not None, "the ledger never forgets a purchase"
        return latest

    def by_nonce(self, nonce: str) -> Purchase | None:
        return self._one(queries.BY_NONCE, nonce=nonce)

    def find(self, purchase_key: str) -> Purchase | None:
        """The latest generation of a purchase key."""
        return self.find_each([purchase_key])[0]

    def find_each(self, purchase_keys: Sequence[str]) -> list[Purchase | None]:
        """The latest generation of each purchase key, read at once."""
        with transaction(self._engine, write=False) as txn:
            return [latest(txn, key) for key in purchase_keys]

    def newest_of(self, payer: str) -> Purchase | None:
        """The newest purchase paid, or to be paid, from a wallet; None when it has none."""
        query = queries.with_newest_event(schema.purchases.c.doc).order_by(schema.events.c.seq.desc())
        with read_connection(self._engine) as opened, opened.execution_options(yield_per=100).execute(query) as found:
            purchases = (rows.purchase(doc) for (doc,) in found)
            return next((purchase for purchase in purchases if purchase.payer == payer), None)

    def open_purchases(self, flow: str | None = None) -> list[Purchase]:
        """Purchases with something left to do, of one flow or all, oldest first."""
        return self._many(queries.OPEN) if flow is None else self._many(queries.OPEN_OF_FLOW, flow=flow)

    def undelivered(self) -> list[Purchase]:
        """Purchases spent and never delivered, whose loss nobody has accepted."""
        return self._many(queries.UNDELIVERED)

    def failed_deliveries(self) -> list[Purchase]:
        """Purchases whose body can't be used, and whose loss nobody has accepted."""
        return self._many(queries.FAILED)

    def purchases(self) -> list[Purchase]:
        """All purchases, oldest first."""
        return self._many(queries.PURCHASES)

    def events(self, purchase_id: str) -> list[Event]:
        with transaction(self._engine, write=False) as txn:
            return [rows.event(kind, doc) for kind, doc in txn.rows(queries.EVENTS, purchase_id=purchase_id)]

    def committed(self, asset: Asset) -> dict[tuple[str, str], int]:
        """Atomic units that count against the caps of an asset, by (scope, bucket); see `caps.buckets`."""
        table = schema.committed
        query = sa.select(table.c.scope, table.c.bucket, table.c.atoms).where(table.c.asset == rows.asset_key(asset))
        with read_connection(self._engine) as connection:
            return {(scope, bucket): amount for scope, bucket, amount in connection.execute(query)}

    def _one(self, statement: Statement, **values: str) -> Purchase | None:
        with transaction(self._engine, write=False) as txn:
            doc = txn.scalar(statement, **values)
        return None if doc is None else rows.purchase(doc)

    def _many(self, statement: Statement, **values: str) -> list[Purchase]:
        with transaction(self._engine, write=False) as txn:
            return [rows.purchase(doc) for (doc,) in txn.rows(statement, **values)]


def latest(txn: Transaction, purchase_key: str) -> Purchase | None:
    """The latest generation of a purchase key, within a transaction."""
    doc = txn.scalar(queries.GENERATIONS, purchase_key=purchase_key)
    return None if doc is None else rows.purchase(doc)
