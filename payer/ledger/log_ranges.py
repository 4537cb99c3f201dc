"""The widest block range that each chain server answers eth_getLogs for, as it was learned from its errors.

Kept for a month: a server may allow more later, or have refused for another reason.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from payer.ledger.database import schema
from payer.ledger.database.engine import read_connection, write_connection
from payer.ledger.database.locks import serialize_scans

KEPT = timedelta(days=30)


def kept(engine: sa.Engine, server: str, now: datetime) -> int | None:
    """The blocks that a server (a host, without any key) answers for at once; None when unknown or long ago."""
    table = schema.log_ranges
    query = sa.select(table.c.blocks, table.c.learned_at).where(table.c.server == server)
    with read_connection(engine) as connection:
        row = connection.execute(query).first()
    return None if row is None or now - row.learned_at > KEPT else int(row.blocks)


def keep(engine: sa.Engine, server: str, blocks: int, at: datetime) -> None:
    """Keep what was learned about a server, in place of what was known."""
    table = schema.log_ranges
    row = {"server": server, "blocks": blocks, "learned_at": at}
    with write_connection(engine) as connection:
        serialize_scans(connection)
        connection.execute(sa.delete(table).where(table.c.server == server))
        connection.execute(sa.insert(table).values(row))
