"""Turn an open ledger's tables back into those that an earlier tollbook made."""

from __future__ import annotations

import sqlalchemy as sa


def to_schema_7(connection: sa.Connection) -> None:
    """Give the purchases the columns and indexes that they had before schema 8."""
    for index in ("purchases_against_limit", "purchases_open"):
        connection.execute(sa.text(f"DROP INDEX {index}"))
    connection.execute(sa.text("ALTER TABLE purchases DROP COLUMN in_doubt"))
    for name, columns in {
        "seq": "seq",
        "open": "is_open, flow",
        "losses": "undelivered, seller",
        "failed": "failed, seller",
        "doubtful": "is_open, data, money",
    }.items():
        connection.execute(sa.text(f"CREATE INDEX purchases_{name} ON purchases ({columns})"))
    connection.execute(sa.text("UPDATE alembic_version SET version_num = '0007'"))
