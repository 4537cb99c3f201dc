"""The changes that a deployment makes on the server, or would make."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Target(StrEnum):
    """Kinds of objects on a Prefect server."""

    POOL = "work pool"
    DEPLOYMENT = "deployment"
    AUTOMATION = "automation"


class Act(StrEnum):
    """Acts on an object of the server."""

    CREATE = "created"
    UPDATE = "updated"
    PAUSE = "paused"
    DELETE = "deleted"
    KEEP = "unchanged"


@dataclass(frozen=True, slots=True)
class ServerChange:
    """One object, what is done to it, and which of its parts differ, or why."""

    kind: Target
    name: str
    action: Act
    parts: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        return {**asdict(self), "parts": list(self.parts)}
