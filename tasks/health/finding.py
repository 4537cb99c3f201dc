"""One thing that may need a person, and the severity that it is told with."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """NOTICE is for information, WARNING needs a person soon, CRITICAL now."""

    NOTICE = "notice"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Finding:
    """A finding about one subject: a cap, a seller, a dataset.

    `step` tells one size of it from the next, such as 80 percent of a cap: people are told once of each, not each run.

    `exit_code` is what the command ends with for it, 0 for what needs nobody.
    """

    kind: str
    subject: str
    severity: Severity
    text: str
    advice: str = ""
    step: str = ""
    exit_code: int = 0

    @property
    def key(self) -> str:
        """Name that stays the same from run to run."""
        return f"{self.kind}:{self.subject}"

    @property
    def sign(self) -> str:
        """Severity and step: people are told again when it changes."""
        return f"{self.severity.value} {self.step}".strip()

    def document(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "subject": self.subject,
            "severity": self.severity.value,
            "step": self.step,
            "what": self.text,
            "advice": self.advice,
        }
