"""Decide when a ledger is compared with its events, and let nothing be signed while there is a mismatch.

Processes that write a ledger are registered. A process is registered before its first write, in a commit of its own,
and removed when it closes the ledger. Whoever finds a process that ended without that folds all events again before
anything is signed.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from payer.ledger.audit.compare import Mismatch, mismatches
from payer.ledger.database import schema
from payer.ledger.database.engine import OnEngine, as_unavailable
from payer.ledger.database.recognize import check_pages
from payer.ledger.owners import is_gone, is_of_this_machine, new_owner
from payer.values.crashpoints import crash_point
from payer.values.errors import LedgerDamaged, LedgerUnavailable

RENEW_SECONDS = 60.0
SILENT = timedelta(minutes=3)
"""A process of another machine that has not written for so long counts as ended."""
LONG_SILENT = timedelta(days=1)
"""One of this machine, whose id another process may have by now."""
UNVERIFIED = "unverified"
"""Registered in place of a process while a mismatch is known, and in every copy of a ledger."""
NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class Writers(OnEngine):
    """This process among the writers of a ledger."""

    def __init__(self, engine: sa.Engine) -> None:
        super().__init__(engine)
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
        registered = self._fetched(sa.select(table.c.owner, table.c.seen_at))
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
        with suppress(LedgerUnavailable):
            self.forget([self._owner])

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


_NAMED = 5


class Integrity:
    """The state of this process's ledger. Without `writers` (a ledger in memory) only `verify` compares."""

    def __init__(self, engine: sa.Engine, writers: Writers | None) -> None:
        self._engine = engine
        self._writers = writers
        self._found: list[Mismatch] | None = None

    def require(self) -> None:
        """Raise LedgerDamaged when the ledger is not what its events fold to.

        It is compared once per process, and only if an earlier one ended without closing it: whatever else is written
        is committed together with its event.
        """
        if self._writers is None:
            return
        if self._found is None:
            self._found = self.verify() if self._writers.ended() else []
        if self._found:
            left, few = len(self._found) - _NAMED, self._found[:_NAMED]
            named = [f"{each.purchase_id}: {each.detail}" if each.purchase_id else each.detail for each in few]
            more = f"; and {left} more" if left > 0 else ""
            raise LedgerDamaged(f"the ledger is not what its events say: {'; '.join(named)}{more}")

    def before_writing(self, *, intact: bool) -> None:
        """Register this process as a writer. Raises LedgerDamaged where the ledger has to be `intact` and is not."""
        if intact:
            self.require()
        if self._writers is not None:
            self._writers.note()

    def verify(self) -> list[Mismatch]:
        """Compare all of the ledger. Ended writers are forgotten if it is whole; a mismatch is remembered."""
        ended = self._writers.ended() if self._writers is not None else []
        check_pages(self._engine)
        found = mismatches(self._engine)
        if self._writers is not None:
            self._found = found
            # Where the ledger can't be written, nothing can be signed either.
            with suppress(LedgerUnavailable):
                if found:
                    self._writers.remember_mismatch()
                else:
                    self._writers.forget(ended)
        return found

    def close(self) -> None:
        if self._writers is not None:
            self._writers.close()
