"""Decide when a ledger is compared with its events, and let nothing be signed while there is a mismatch."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import sqlalchemy as sa

from payer.ledger.audit.compare import Mismatch, mismatches
from payer.ledger.audit.writers import Writers
from payer.ledger.database.recognize import check_pages
from payer.values.errors import LedgerDamaged, LedgerUnavailable
from payer.values.events import Event, Sent, Signed

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
            raise LedgerDamaged(damage(self._found))

    def before_reserving(self) -> None:
        """Register this process as a writer of a ledger that is intact. Raises LedgerDamaged."""
        self.require()
        self._note()

    def before_append(self, events: Sequence[Event]) -> None:
        """Register this process as a writer. Raises LedgerDamaged when one of the events signs or sends."""
        for event in events:
            if isinstance(event, (Signed, Sent)):
                self.require()
        self._note()

    def _note(self) -> None:
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


def damage(found: Sequence[Mismatch]) -> str:
    """Name the mismatches in one sentence, the first few with their purchases."""
    named = [f"{each.purchase_id}: {each.detail}" if each.purchase_id else each.detail for each in found[:_NAMED]]
    more = f"; and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return f"the ledger is not what its events say: {'; '.join(named)}{more}"
