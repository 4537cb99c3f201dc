"""Transfers read from the chain for reconciliation, how far each wallet has been scanned, and how many blocks each
chain server answers for at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from payer.ledger.database import schema
from payer.ledger.database.engine import OnEngine, read_connection, write_connection
from payer.ledger.database.queries import serialize_scans
from payer.ledger.database.rows import asset_key
from payer.values.chain_view import TransferOut
from payer.values.money import Asset

RANGE_KEPT = timedelta(days=30)
"""Time for which a learned range counts: a server may allow more later, or have refused for another reason."""


class Scans(OnEngine):
    """The part of a ledger about what was read from the chain."""

    def scanned_through(self, asset: Asset, wallet: str) -> int | None:
        """The last block that was scanned for a wallet, None before the first scan."""
        table = schema.scans
        query = sa.select(table.c.through_block).where(table.c.wallet == wallet, table.c.asset == asset_key(asset))
        with read_connection(self._engine) as connection:
            return connection.execute(query).scalar()

    def transfers_seen(self, asset: Asset, wallet: str) -> list[TransferOut]:
        """Every transfer out of a wallet that was scanned, in the chain's order."""
        table = schema.transfers
        columns = (table.c[field.name] for field in fields(TransferOut))
        of_wallet = (table.c.asset == asset_key(asset)) & (table.c.wallet == wallet)
        query = sa.select(*columns).where(of_wallet).order_by(table.c.block_number, table.c.log_index)
        with read_connection(self._engine) as connection:
            return [TransferOut(*row) for row in connection.execute(query)]

    def close_scan(
        self, asset: Asset, wallet: str, from_block: int, through: int, seen: Sequence[TransferOut], at: datetime
    ) -> None:
        """Replace the transfers known in blocks from `from_block` to `through` by those seen, and record how far.

        Blocks scanned before stay scanned. A transaction is in one block: seen here, it is removed from any other.
        """
        table = schema.transfers
        key = {"asset": asset_key(asset), "wallet": wallet}
        of_wallet = (table.c.asset == key["asset"]) & (table.c.wallet == wallet)
        with write_connection(self._engine) as connection:
            serialize_scans(connection)
            connection.execute(sa.delete(table).where(of_wallet, table.c.block_number.between(from_block, through)))
            for tx_hash in {transfer.tx_hash for transfer in seen}:
                connection.execute(sa.delete(table).where(of_wallet, table.c.tx_hash == tx_hash))
            if seen:
                connection.execute(sa.insert(table), [{**key, **asdict(transfer)} for transfer in seen])
            _raise_through(connection, {**key, "through_block": through, "scanned_at": at})

    def log_range(self, server: str, now: datetime) -> int | None:
        """The block range that a chain server was found to answer for at once, None when that is not known."""
        table = schema.log_ranges
        query = sa.select(table.c.blocks, table.c.learned_at).where(table.c.server == server)
        with read_connection(self._engine) as connection:
            row = connection.execute(query).first()
        return None if row is None or now - row.learned_at > RANGE_KEPT else int(row.blocks)

    def keep_log_range(self, server: str, blocks: int, at: datetime) -> None:
        """Keep the block range that a chain server answers for at once."""
        table = schema.log_ranges
        row = {"server": server, "blocks": blocks, "learned_at": at}
        with write_connection(self._engine) as connection:
            serialize_scans(connection)
            connection.execute(sa.delete(table).where(table.c.server == server))
            connection.execute(sa.insert(table).values(row))


def _raise_through(connection: sa.Connection, scan: dict[str, Any]) -> None:
    """Record how far a wallet is scanned, unless an earlier scan went further."""
    table = schema.scans
    where = (table.c.wallet == scan["wallet"]) & (table.c.asset == scan["asset"])
    before = connection.execute(sa.select(table.c.through_block).where(where)).scalar()
    if before is None:
        connection.execute(sa.insert(table).values(scan))
    elif scan["through_block"] > before:
        connection.execute(sa.update(table).where(where).values(scan))
