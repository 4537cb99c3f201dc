"""Transfers read from the chain for reconciliation, and how far each wallet has been scanned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from payer.ledger.database import schema
from payer.ledger.database.engine import read_connection, write_connection
from payer.ledger.database.locks import serialize_scans
from payer.ledger.database.rows import asset_key
from payer.values.money import Asset


@dataclass(frozen=True, slots=True)
class SeenTransfer:
    """One Transfer out of the wallet; `value` in atomic units. `nonce` None: no authorization stands beside it."""

    tx_hash: str
    log_index: int
    block_number: int
    block_hash: str
    pay_to: str
    value: int
    nonce: str | None


def scanned_through(engine: sa.Engine, asset: Asset, wallet: str) -> int | None:
    """The last block that was scanned, None before the first scan."""
    table = schema.scans
    query = sa.select(table.c.through_block).where(table.c.wallet == wallet, table.c.asset == asset_key(asset))
    with read_connection(engine) as connection:
        return connection.execute(query).scalar()


def transfers_seen(engine: sa.Engine, asset: Asset, wallet: str) -> list[SeenTransfer]:
    """Every transfer scanned so far, in the chain's order."""
    table = schema.transfers
    query = (
        sa.select(table)
        .where(table.c.asset == asset_key(asset), table.c.wallet == wallet)
        .order_by(table.c.block_number, table.c.log_index)
    )
    with read_connection(engine) as connection:
        return [
            SeenTransfer(row.tx_hash, row.log_index, row.block_number, row.block_hash, row.pay_to, row.value, row.nonce)
            for row in connection.execute(query)
        ]


def close_scan(
    engine: sa.Engine,
    asset: Asset,
    wallet: str,
    from_block: int,
    through: int,
    seen: Sequence[SeenTransfer],
    at: datetime,
) -> None:
    """Replace the transfers of the blocks from `from_block` to `through`, both inclusive, in one transaction."""
    table = schema.transfers
    key = {"asset": asset_key(asset), "wallet": wallet}
    of_wallet = (table.c.asset == key["asset"]) & (table.c.wallet == wallet)
    with write_connection(engine) as connection:
        serialize_scans(connection)
        connection.execute(sa.delete(table).where(of_wallet, table.c.block_number.between(from_block, through)))
        for tx_hash in {transfer.tx_hash for transfer in seen}:
            connection.execute(sa.delete(table).where(of_wallet, table.c.tx_hash == tx_hash))
        if seen:
            connection.execute(sa.insert(table), [{**key, **asdict(transfer)} for transfer in seen])
        _raise_through(connection, {**key, "through_block": through, "scanned_at": at})


def _raise_through(connection: sa.Connection, scan: dict[str, Any]) -> None:
    """Record how far a wallet is scanned, unless an earlier scan went further."""
    table = schema.scans
    where = (table.c.wallet == scan["wallet"]) & (table.c.asset == scan["asset"])
    before = connection.execute(sa.select(table.c.through_block).where(where)).scalar()
    if before is None:
        connection.execute(sa.insert(table).values(scan))
    elif scan["through_block"] > before:
        connection.execute(sa.update(table).where(where).values(scan))
