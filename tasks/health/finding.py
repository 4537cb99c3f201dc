"""One thing that may need a person, and the severity that it is told with."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from payer.values.errors import PayerError


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


@dataclass(frozen=True, slots=True)
class Check:
    """One finding. `exit_code` is 0 when all is well."""

    name: str
    ok: bool
    detail: str
    fix: str = ""
    exit_code: int = 0

    @property
    def grade(self) -> str:
        """`FAIL`; `warn` for what passed with advice; else `ok`."""
        return ("warn" if self.fix else "ok") if self.ok else "FAIL"

    def document(self) -> dict[str, Any]:
        grade = self.grade.lower()
        return {"check": self.name, "ok": self.ok, "grade": grade, "detail": self.detail, "fix": self.fix}


def failed_check(name: str, error: PayerError) -> Check:
    return Check(name, False, error.what, error.fix, error.exit_code)
