"""The face of what workers share through their ledger besides money."""

from __future__ import annotations

from typing import TYPE_CHECKING

from payer.ledger.workers.pace import SharedPace
from payer.ledger.workers.publisher import PublisherElection

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import sqlalchemy as sa

    from payer.http.pace import Pace
    from payer.ledger.database.thread import CallsInThread


class Workers:
    """The workers of one ledger. `share` is True on PostgreSQL, where they may be of several machines and homes."""

    def __init__(self, engine: sa.Engine, calls: CallsInThread) -> None:
        self._engine, self._calls = engine, calls
        self.share = engine.dialect.name == "postgresql"
        self.publisher = PublisherElection(engine)

    def paces(self, of_one_machine: Path) -> Path | Callable[[str, int], Pace]:
        """The place where `HttpTransport` keeps sellers' paces: the ledger, or the folder of its one home."""
        return self.pace if self.share else of_one_machine

    def pace(self, seller: str, requests_per_minute: int) -> SharedPace:
        return SharedPace(self._engine, self._calls, seller, requests_per_minute)
