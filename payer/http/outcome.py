"""How a request ends: in an answer, or in none.

The one question that matters after a failure is whether a byte of the request may have left. NotSent is raised only
with proof that none did; everything else is NoAnswer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer of any status. Header names are in lower case; `cut` says that an error's body was longer, `note`
    why the body is still compressed."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    elapsed: float
    cut: bool = False
    note: str = ""


class Unanswered(Exception):
    """No whole answer came. `reason` is one line without headers, URLs or bodies (I10)."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NotSent(Unanswered):
    """Provably no byte of the request left this machine."""


class NoAnswer(Unanswered):
    """The request may have left. `status` and `headers` are what did arrive before it failed: evidence, never proof."""

    def __init__(
        self, reason: str, *, status: int | None = None, headers: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.headers = headers
