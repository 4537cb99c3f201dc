"""Transfers read from the chain for reconciliation, how far each wallet has been scanned, and how many blocks each
chain server answers for at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from payer.ledger.database import schema
from payer.ledger.database.engine import read_connection, write_connection
from payer.ledger.database.locks import serialize_scans
from payer.ledger.database.rows import asset_key
from payer.values.chain_view import TransferOut
from payer.values.money import Asset

RANGE_KEPT = timedelta(days=30)
"""Time for which a learned range counts: a server may allow more later, or have refused for another reason."""


def scanned_through(engine: sa.Engine, asset: Asset, wallet: str) -> int | None:
    """The last block that was scanned, None before the first scan."""
    table = schema.scans
    query = sa.select(table.c.through_block).where(table.c.wallet == wallet, table.c.asset == asset_key(asset))
    with read_connection(engine) as connection:
        return connection.execute(query).scalar()


def transfers_seen(engine: sa.Engine, asset: Asset, wallet: str) -> list[TransferOut]:
    """Every transfer scanned so far, in the chain's order."""
    table = schema.transfers
    query = (
        sa.select(table)
        .where(table.c.asset == asset_key(asset), table.c.wallet == wallet)
        .order_by(table.c.block_number, table.c.log_index)
    )
    with read_connection(engine) as connection:
        return [
            TransferOut(row.tx_hash, row.log_index, row.block_number, row.block_hash, row.pay_to, row.value, row.nonce)
            for row in connection.execute(query)
        ]


def close_scan(
    engine: sa.Engine,
    asset: Asset,
    wallet: str,
    from_block: int,
    through: int,
    seen: Sequence[TransferOut],
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


def log_range(engine: sa.Engine, server: str, now: datetime) -> int | None:
    """The blocks that a server (a host, without any key) answers for at once; None when unknown or long ago."""
    table = schema.log_ranges
    query = sa.select(table.c.blocks, table.c.learned_at).where(table.c.server == server)
    with read_connection(engine) as connection:
        row = connection.execute(query).first()
    return None if row is None or now - row.learned_at > RANGE_KEPT else int(row.blocks)


def keep_log_range(engine: sa.Engine, server: str, blocks: int, at: datetime) -> None:
    """Keep what was learned about a server, in place of what was known."""
    table = schema.log_ranges
    row = {"server": server, "blocks": blocks, "learned_at": at}
    with write_connection(engine) as connection:
        serialize_scans(connection)
        connection.execute(sa.delete(table).where(table.c.server == server))
        connection.execute(sa.insert(table).values(row))
