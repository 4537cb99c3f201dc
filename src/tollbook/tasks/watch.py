"""What a run tells while it works. The command draws it, Prefect logs it, tests collect it."""

from __future__ import annotations

from typing import Protocol

from tollbook.payer.types import Purchase
from tollbook.tasks.bill import Bill


class Watch(Protocol):
    """Called from one thread, in order. Nothing here may raise or wait: money is in flight beside it."""

    def bill(self, bill: Bill) -> None:
        """The bill, before anything is signed."""
        ...

    def buying(self, calls: int, atoms: int) -> None:
        """Reserved and about to be bought: what the bill listed, or further pages of a listing."""
        ...

    def bought(self, purchase: Purchase | None, rows: int, problem: str | None) -> None:
        """One call ended, with the rows that came, or not well. A purchase that is tried again is told of again."""
        ...

    def ended(self) -> None:
        """The run is over, however it ended."""
        ...


class Silent:
    """Watches and says nothing."""

    def bill(self, bill: Bill) -> None: ...

    def buying(self, calls: int, atoms: int) -> None: ...

    def bought(self, purchase: Purchase | None, rows: int, problem: str | None) -> None: ...

    def ended(self) -> None: ...


UNWATCHED: Watch = Silent()
