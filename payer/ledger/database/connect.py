"""Connect to a ledger, with its schema created or upgraded."""

from __future__ import annotations

import sqlalchemy as sa

from payer.ledger.database.engine import cause, engine_for
from payer.ledger.database.migrate import upgrade
from payer.values.errors import LedgerTooNew, LedgerUnavailable

SCHEMA_VERSION = "0005"
"""The newest migration in migrations/; a test compares the two."""


def connect(url: str) -> sa.Engine:
    """Open the ledger at a database URL and upgrade its schema.

    Raises LedgerUnavailable when the database can't be opened, LedgerTooNew when a later tollbook wrote it.
    """
    try:
        engine = engine_for(url)
    except sa.exc.ArgumentError as error:
        raise LedgerUnavailable(f"TOLLBOOK_LEDGER_URL is not a database URL: {error}") from None
    try:
        _upgrade_if_older(engine)
    except sa.exc.SQLAlchemyError as error:
        engine.dispose()
        raise LedgerUnavailable(f"the ledger can't be opened: {cause(error)}") from None
    except LedgerTooNew:
        engine.dispose()
        raise
    return engine


def _upgrade_if_older(engine: sa.Engine) -> None:
    version = _version(engine)
    if version == SCHEMA_VERSION:
        return
    if version is not None and version > SCHEMA_VERSION:
        raise LedgerTooNew(f"the ledger has schema {version}; this tollbook knows {SCHEMA_VERSION} and older")
    upgrade(engine)


def _version(engine: sa.Engine) -> str | None:
    """The schema version of the ledger, None for a new database."""
    with engine.connect() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
