"""Advisory locks that put writers in order on PostgreSQL, held until the transaction ends.

SQLite needs none: a write transaction holds its one write lock from BEGIN IMMEDIATE on.
"""

from __future__ import annotations

import sqlalchemy as sa

from payer.ledger.database.statements import Statement, Transaction

_UPGRADES = sa.text("SELECT pg_advisory_xact_lock(74011, 1)")
_CAPS = Statement(sa.text("SELECT pg_advisory_xact_lock(74011, 2)"))
_SCANS = sa.text("SELECT pg_advisory_xact_lock(74011, 3)")


def serialize_upgrades(connection: sa.Connection) -> None:
    """Wait for another process that upgrades the schema."""
    if connection.dialect.name == "postgresql":
        connection.execute(_UPGRADES)


def serialize_caps(txn: Transaction) -> None:
    """Wait for other writers of caps, quotes and payees.

    Call it before any purchase is locked: in the other order two writers could wait for each other.
    """
    if txn.on_postgresql:
        txn.run(_CAPS)


def serialize_scans(connection: sa.Connection) -> None:
    """Wait for another process that writes the transfers of the same blocks."""
    if connection.dialect.name == "postgresql":
        connection.execute(_SCANS)
