"""One health check from beginning to end: look, compare with what was told, tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tasks.health.changes import HealthChanges, Memory, compare
from tasks.health.check import Health, check_health
from tasks.health.notify import notify
from tasks.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True)
class HealthReport:
    """Findings, what changed since people were told, and why they could not be told ("" if they were)."""

    health: Health
    changes: HealthChanges
    problem: str = ""

    def document(self) -> dict[str, Any]:
        return {
            **self.health.document(),
            "changed": [finding.key for finding in self.changes.appeared],
            "over": list(self.changes.over),
            "not_notified": self.problem or None,
        }


async def report_health(ws: Workspace, *, tell: bool = True) -> HealthReport:
    """Check, and tell what changed unless `tell` is false. Raises Misconfigured for a wrong TOLLBOOK_NOTIFY_URL."""
    health, memory = await check_health(ws), Memory(ws.home / "state")
    if not tell:
        return HealthReport(health, compare(memory.read(), health.findings))
    changes, problem = await notify(health, memory, ws.notify_urls)
    return HealthReport(health, changes, problem)
