"""Register the processes that write a ledger, so that the next one notices that an earlier one did not close it.

A process is registered before its first write, in a commit of its own, and removed when it closes the ledger. Whoever
finds a process that ended without that folds all events again before anything is signed.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from payer.ledger.database import schema
from payer.ledger.database.engine import as_unavailable, read_connection
from payer.ledger.owners import is_gone, is_of_this_machine, new_owner
from payer.values.crashpoints import crash_point
from payer.values.errors import LedgerUnavailable

RENEW_SECONDS = 60.0
SILENT = timedelta(minutes=3)
"""A process of another machine that has not written for so long counts as ended."""
LONG_SILENT = timedelta(days=1)
"""One of this machine, whose id another process may have by now."""
UNVERIFIED = "unverified"
"""Registered in place of a process while a mismatch is known, and in every copy of a ledger."""
NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class Writers:
    """This process among the writers of a ledger."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._owner = new_owner()
        self._renewed: float | None = None

    def note(self) -> None:
        """Register this process, or renew its registration once a minute. Raises LedgerUnavailable."""
        if self._renewed is not None and time.monotonic() - self._renewed < RENEW_SECONDS:
            return
        first = self._renewed is None
        self._put(self._owner, datetime.now(UTC))
        self._renewed = time.monotonic()
        if first:
            crash_point("registered")

    def ended(self) -> list[str]:
        """Return registered processes that ended without closing the ledger. Raises LedgerUnavailable."""
        table = schema.writers
        with read_connection(self._engine) as connection:
            registered = connection.execute(sa.select(table.c.owner, table.c.seen_at)).all()
        now, on_sqlite = datetime.now(UTC), self._engine.dialect.name == "sqlite"
        return [owner for owner, seen_at in registered if has_ended(owner, now - seen_at, on_sqlite=on_sqlite)]

    def forget(self, owners: Collection[str]) -> None:
        """Remove processes whose writes have been verified. Raises LedgerUnavailable."""
        if owners:
            self._write(sa.delete(schema.writers).where(schema.writers.c.owner.in_(owners)))

    def remember_mismatch(self) -> None:
        """Have every process that opens the ledger from now on compare it before it signs. Raises LedgerUnavailable."""
        self._put(UNVERIFIED, NEVER)

    def close(self) -> None:
        """Remove this process, as far as the ledger can be written: otherwise the next process compares it."""
        if self._renewed is None:
            return
        self._renewed = None
        try:
            self.forget([self._owner])
        except LedgerUnavailable:
            return

    def _put(self, owner: str, seen_at: datetime) -> None:
        table = schema.writers
        self._write(
            sa.delete(table).where(table.c.owner == owner), sa.insert(table).values(owner=owner, seen_at=seen_at)
        )

    def _write(self, *statements: sa.Executable) -> None:
        with as_unavailable("written"), self._engine.connect() as opened, opened.execution_options(write=True).begin():
            for statement in statements:
                opened.execute(statement)


def has_ended(owner: str, silent: timedelta, *, on_sqlite: bool) -> bool:
    """True if a registered process counts as ended: certainly gone, or silent for too long.

    One of another boot or container of this machine, whose process ids mean nothing here, has ended where the ledger is
    a local file; if it still runs, the comparison was not needed, and it registers again.
    """
    if is_of_this_machine(owner):
        return is_gone(owner) or silent > LONG_SILENT
    return on_sqlite or silent > SILENT
