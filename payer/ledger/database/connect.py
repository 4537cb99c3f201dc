"""Connect to a ledger, with its schema created or upgraded: by Alembic, one migration at a time, never down.

Alembic is imported in the functions: it is slow to import, and a ledger that is up to date needs none of it.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from payer.ledger.database.engine import engine_for, unavailable
from payer.ledger.database.queries import serialize_upgrades
from payer.ledger.database.recognize import check_file, check_tables, ledger_url, sqlite_file
from payer.values.durable import close_to_others, make_private_file
from payer.values.errors import LedgerTooNew, LedgerUnavailable, NotALedger

if TYPE_CHECKING:
    from alembic.config import Config

SCHEMA_VERSION = "0009"
"""The newest migration in migrations/; a test compares the two."""
_MIGRATIONS = Path(__file__).with_name("migrations")


def connect(url: str) -> sa.Engine:
    """Open the ledger at a database URL and upgrade its schema. A new SQLite file can be read by this user only.

    Raises LedgerUnavailable when the database can't be opened, NotALedger when it is another program's or damaged,
    LedgerTooNew when a later tollbook wrote it.
    """
    parsed = ledger_url(url)
    file = sqlite_file(parsed)
    if file is not None:
        check_file(file)
        with suppress(OSError):
            make_private_file(file)
        # SQLite gives its log the rights of the file.
        close_to_others(*(file.with_name(file.name + end) for end in ("", "-wal", "-shm")))
    try:
        engine = engine_for(url)
    except (TypeError, ValueError):
        raise NotALedger("TOLLBOOK_LEDGER_URL has an option that can't be read") from None
    try:
        _upgrade_if_older(engine)
    except sa.exc.SQLAlchemyError as error:
        engine.dispose()
        raise unavailable(error, "opened") from None
    except LedgerUnavailable:
        engine.dispose()
        raise
    return engine


def _upgrade_if_older(engine: sa.Engine) -> None:
    """Upgrade the ledger, or a new database. Raises NotALedger for another program's, and LedgerTooNew."""
    version: str | None = None
    with engine.connect() as connection:
        if tables := sa.inspect(connection).get_table_names():
            check_tables(tables, "the database that TOLLBOOK_LEDGER_URL names")
            version = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    if version is not None and version > SCHEMA_VERSION:
        raise LedgerTooNew(f"the ledger has schema {version}; this tollbook knows {SCHEMA_VERSION} and older")
    if version != SCHEMA_VERSION:
        upgrade(engine)


def configuration() -> Config:
    """Alembic's configuration, without an ini file."""
    from alembic.config import Config

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
    from alembic import command

    config = configuration()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
