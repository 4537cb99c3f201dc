"""How a request ends: with an answer, or with none.

After a failure all that matters is whether a byte of the request may have left. NotSent is raised only with proof that
none did; every other failure is NoAnswer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer of any status. Header names are in lower case, `elapsed` is in seconds.

    `cut`: an error's body was longer than its limit. `note` says why a body is still compressed.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    elapsed: float
    cut: bool = False
    note: str = ""


class Unanswered(Exception):
    """Base of both failures. `reason` is one line without headers, URLs or bodies (I10)."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NotSent(Unanswered):
    """Raised when provably no byte of the request left this machine."""


class NoAnswer(Unanswered):
    """Raised when the request may have left. `status` and `headers` arrived before it failed: evidence, never proof."""

    def __init__(
        self, reason: str, *, status: int | None = None, headers: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.headers = headers
