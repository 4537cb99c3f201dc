"""What was read of the chain for reconciling: the wallet's transfers, and how far they are closed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from tollbook.payer.ledger import schema
from tollbook.payer.ledger.engine import reading, writing
from tollbook.payer.ledger.reads import Reads
from tollbook.payer.money import Asset


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
        """Replace what is known of the blocks with what was just read, and remember how far, in one commit."""
        moved, scans = schema.transfers, schema.scans
        same_blocks = (moved.c.asset == _key(asset)) & (moved.c.wallet == wallet)
        same_blocks &= moved.c.block_number.between(from_block, through)
        scan = {"wallet": wallet, "asset": _key(asset), "through_block": through, "scanned_at": at}
        with writing(self._engine) as connection:
            connection.execute(sa.delete(moved).where(same_blocks))
            if seen:
                connection.execute(sa.insert(moved), [self._row(asset, wallet, transfer) for transfer in seen])
            where = (scans.c.wallet == wallet) & (scans.c.asset == _key(asset))
            if connection.execute(sa.update(scans).where(where).values(scan)).rowcount == 0:
                connection.execute(sa.insert(scans).values(scan))

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
