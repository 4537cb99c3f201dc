"""Raising a ledger's schema, by Alembic, one migration at a time, never down."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

_MIGRATIONS = Path(__file__).with_name("migrations")


def configuration() -> Config:
    """Alembic's configuration without a file."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    return config


def upgrade(engine: sa.Engine) -> None:
    """Bring the ledger to the newest schema in one transaction. Processes that start together take turns."""
    with engine.connect().execution_options(write=True) as connection, connection.begin():
        if engine.dialect.name == "postgresql":
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(74011, 1)"))
        upgrade_within(connection)


def upgrade_within(connection: sa.Connection) -> None:
    """The newest schema as part of the connection's transaction: both stores take back tables, too."""
    config = configuration()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
