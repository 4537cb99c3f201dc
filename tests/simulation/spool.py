"""A machine's spool, in memory: what is put is durable at once, and outlives the process that put it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, cast

from payer.http.exchange import Answer
from payer.spool import Spooled


class Mortal(Protocol):
    """A process that may die at a boundary."""

    def touch(self, where: str) -> None: ...


class SimSpool:
    """Stands in for payer.spool.Spool. `running` is the process that calls."""

    def __init__(self, running: Callable[[], Mortal | None]) -> None:
        self._running = running
        self._held: dict[str, Spooled] = {}

    def put(self, purchase_id: str, answer: Answer, at: datetime) -> Path:
        """Keep an answer; a purchase's first body stays."""
        self._touch("before the spool")
        place = cast(Path, _Place(self._held, purchase_id))
        kept = self._held.setdefault(purchase_id, Spooled(purchase_id, at, answer, place))
        self._touch("spooled")
        return kept.path

    def waiting(self) -> list[Spooled]:
        return list(self._held.values())

    def holds(self, purchase_id: str) -> bool:
        return purchase_id in self._held

    def clear(self) -> None:
        """Lose everything, with the disk it is on."""
        self._held.clear()

    def _touch(self, where: str) -> None:
        process = self._running()
        if process is not None:
            process.touch(where)


@dataclass(frozen=True, slots=True)
class _Place:
    """The path of one file."""

    held: dict[str, Any]
    purchase_id: str

    def unlink(self, missing_ok: bool = False) -> None:
        self.held.pop(self.purchase_id, None)
