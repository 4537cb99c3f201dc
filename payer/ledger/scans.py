"""What was read of the chain for reconciling: the wallet's transfers, and how far they are closed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from payer.ledger import schema
from payer.ledger.engine import reading, writing
from payer.ledger.reads import Reads
from payer.values.money import Asset


@dataclass(frozen=True, slots=True)
class SeenTransfer:
    """One Transfer out of the wallet as it stood on chain. `nonce` None: no authorization beside it."""

    tx_hash: str
    log_index: int
    block_number: int
    block_hash: str
    pay_to: str
    value: int
    nonce: str | None


def _key(asset: Asset) -> str:
    return f"{asset.network}/{asset.address}"


_TAKE_TURNS = sa.text("SELECT pg_advisory_xact_lock(74011, 3)")
"""PostgreSQL only: two that read the same blocks write them one after the other."""


def _close(connection: sa.Connection, scan: dict[str, Any]) -> None:
    table = schema.scans
    where = (table.c.wallet == scan["wallet"]) & (table.c.asset == scan["asset"])
    closed = connection.execute(sa.select(table.c.through_block).where(where)).scalar()
    if closed is None:
        connection.execute(sa.insert(table).values(scan))
    elif scan["through_block"] > closed:
        connection.execute(sa.update(table).where(where).values(scan))


class Scans(Reads):
    """Resumable reading of the chain, one row per transfer."""

    def scanned_through(self, asset: Asset, wallet: str) -> int | None:
        """The last block that was read and closed, None before the first scan."""
        table = schema.scans
        query = sa.select(table.c.through_block).where(table.c.wallet == wallet, table.c.asset == _key(asset))
        with reading(self._engine) as connection:
            return connection.execute(query).scalar()

    def close_scan(
        self, asset: Asset, wallet: str, from_block: int, through: int, seen: Sequence[SeenTransfer], at: datetime
    ) -> None:
        """Replace what is known of the blocks with what was just read, and remember how far, in one commit.

        Blocks that were closed before stay closed. A transaction lies in one block: read here, it is dropped there.
        """
        moved = schema.transfers
        mine = (moved.c.asset == _key(asset)) & (moved.c.wallet == wallet)
        with writing(self._engine) as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(_TAKE_TURNS)
            connection.execute(sa.delete(moved).where(mine, moved.c.block_number.between(from_block, through)))
            for transaction in {transfer.tx_hash for transfer in seen}:
                connection.execute(sa.delete(moved).where(mine, moved.c.tx_hash == transaction))
            if seen:
                connection.execute(sa.insert(moved), [self._row(asset, wallet, transfer) for transfer in seen])
            _close(connection, {"wallet": wallet, "asset": _key(asset), "through_block": through, "scanned_at": at})

    def transfers_seen(self, asset: Asset, wallet: str) -> list[SeenTransfer]:
        """Everything closed so far, in the chain's order."""
        table = schema.transfers
        query = (
            sa.select(table)
            .where(table.c.asset == _key(asset), table.c.wallet == wallet)
            .order_by(table.c.block_number, table.c.log_index)
        )
        with reading(self._engine) as connection:
            return [
                SeenTransfer(
                    row.tx_hash, row.log_index, row.block_number, row.block_hash, row.pay_to, row.value, row.nonce
                )
                for row in connection.execute(query)
            ]

    def _row(self, asset: Asset, wallet: str, seen: SeenTransfer) -> dict[str, object]:
        return {
            "asset": _key(asset),
            "wallet": wallet,
            "tx_hash": seen.tx_hash,
            "log_index": seen.log_index,
            "block_number": seen.block_number,
            "block_hash": seen.block_hash,
            "pay_to": seen.pay_to,
            "value": seen.value,
            "nonce": seen.nonce,
        }
