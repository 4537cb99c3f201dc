"""The tables of a new ledger: migrations are run for the first one on each kind of database, and what they told it is
told to the next ones. To load and compare them takes ten times as long as to make the tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from payer.ledger.database import connect

migrate = connect.upgrade_within
"""As the product has it."""

_told: dict[tuple[str, Path], list[tuple[str, Any]]] = {}


@contextmanager
def repeated() -> Iterator[None]:
    """Upgrade each new ledger by repetition. One that holds something is upgraded as ever."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connect, "upgrade_within", _upgrade)
        yield


@contextmanager
def migrated() -> Iterator[None]:
    """Upgrade each ledger as the product does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connect, "upgrade_within", migrate)
        yield


def _upgrade(connection: sa.Connection) -> None:
    kind = (connection.dialect.name, connect._MIGRATIONS)
    if sa.inspect(connection).get_table_names():  # another process may have been first
        migrate(connection)
    elif kind in _told:
        for statement, values in _told[kind]:
            connection.exec_driver_sql(statement, values)
    else:
        _told[kind] = _listened_to(connection)


def _listened_to(connection: sa.Connection) -> list[tuple[str, Any]]:
    """Migrate, and return each statement that changed something."""
    heard: list[tuple[str, Any]] = []

    def hear(_connection: object, _cursor: object, statement: str, values: Any, *_more: object) -> None:
        if not statement.lstrip().startswith(("SELECT", "PRAGMA")):
            heard.append((statement, values or None))

    sa.event.listen(connection, "before_cursor_execute", hear)
    try:
        migrate(connection)
    finally:
        sa.event.remove(connection, "before_cursor_execute", hear)
    return heard
