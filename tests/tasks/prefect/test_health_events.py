"""Findings as Prefect events, and the state of the health flow: who can't be told fails no run."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.health.check import Health
from tasks.health.finding import Finding, Severity
from tasks.health.notify import HealthChanges, HealthReport
from tests.payer import purchases as p

LATE = Finding("late", "tm-grade", Severity.WARNING, "tm-grade is late", "run it")
FULL = Finding("cap", "per_day", Severity.CRITICAL, "all committed", step="100")


def report(*findings: Finding, problem: str = "", over: dict[str, str] | None = None) -> HealthReport:
    return HealthReport(Health(p.NOW, findings), HealthChanges(findings, over or {}), problem)


def test_each_change_is_an_event_whose_resource_is_the_findings_subject(monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks.prefect import health_events

    events: list[dict[str, Any]] = []
    monkeypatch.setattr(health_events, "emit_event", lambda **event: events.append(event))
    health_events.emit_changes(report(FULL, LATE, problem="refused", over={"price:x": "x costs more"}))
    assert [(each["event"], each["resource"]["prefect.resource.id"]) for each in events] == [
        ("tollbook.finding.critical", "tollbook.cap:per_day"),
        ("tollbook.finding.warning", "tollbook.late:tm-grade"),
        ("tollbook.finding.over", "tollbook.price:x"),
        ("tollbook.not-notified", "tollbook.notify"),
    ]
    assert events[1]["payload"]["advice"] == "run it"


@pytest.mark.parametrize(
    ("shown", "state", "message"),
    [
        (report(), "Completed", "all is well"),
        (report(LATE), "Completed", "1 findings, none critical"),
        (report(LATE, problem="no answer"), "Completed", "1 findings, none critical; not notified: no answer"),
        (report(FULL, LATE), "Failed", "all committed"),
        (report(FULL, problem="no answer"), "Failed", "all committed; not notified: no answer"),
    ],
)
def test_only_a_critical_finding_fails_the_check(shown: HealthReport, state: str, message: str) -> None:
    from tasks.prefect.health_events import health_verdict

    ended = health_verdict(shown)
    assert (ended.state.name, ended.state.message) == (state, message)
