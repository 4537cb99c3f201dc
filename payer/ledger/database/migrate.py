"""Upgrade a ledger's schema with Alembic, one migration at a time, never down."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from payer.ledger.database.locks import serialize_upgrades

_MIGRATIONS = Path(__file__).with_name("migrations")


def configuration() -> Config:
    """Alembic's configuration, without an ini file."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    return config


def upgrade(engine: sa.Engine) -> None:
    """Upgrade the ledger to the newest schema in one transaction. Processes that start together wait for each other."""
    with engine.connect().execution_options(write=True) as connection, connection.begin():
        serialize_upgrades(connection)
        upgrade_within(connection)


def upgrade_within(connection: sa.Connection) -> None:
    """Upgrade as part of the connection's transaction; SQLite and PostgreSQL roll back tables, too."""
    config = configuration()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
