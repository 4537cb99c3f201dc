"""Health findings as Prefect events, an artifact, and the flow's final state."""

from __future__ import annotations

from prefect.artifacts import create_markdown_artifact
from prefect.events import emit_event
from prefect.states import Completed, Failed

from tasks.health.finding import Severity
from tasks.health.notify import HealthReport
from tasks.prefect.artifacts import markdown_table, write_artifact
from tasks.prefect.verdict import Verdict

EVENT = "tollbook.finding"
"""Events are `tollbook.finding.critical`, `.warning`, `.notice` and `.over`; automations match on them."""

NOT_NOTIFIED = "tollbook.not-notified"
"""The event of a notification service that was slow, refused or did not answer."""


def emit_changes(report: HealthReport) -> None:
    """Emit one event for each finding that appeared, changed or is over; its resource is the finding's subject."""
    for finding in report.changes.appeared:
        emit_event(
            event=f"{EVENT}.{finding.severity.value}",
            resource={"prefect.resource.id": f"tollbook.{finding.key}", "prefect.resource.name": finding.subject},
            payload=finding.document(),
        )
    for key, text in report.changes.over.items():
        emit_event(event=f"{EVENT}.over", resource={"prefect.resource.id": f"tollbook.{key}"}, payload={"what": text})
    if report.problem:
        emit_event(
            event=NOT_NOTIFIED, resource={"prefect.resource.id": "tollbook.notify"}, payload={"what": report.problem}
        )


async def health_artifact(report: HealthReport) -> None:
    rows = [
        {"severity": each.severity.value, "finding": each.text, "what to do": each.advice}
        for each in report.health.findings
    ]
    text = markdown_table(rows) if rows else "All is well."
    await write_artifact(create_markdown_artifact, markdown=text, key="health", description="what may need a person")


def health_verdict(report: HealthReport) -> Verdict:
    """Failed while a finding is critical, else Completed with the counts.

    A notification service that is slow or broken fails no run: the message says so, the event `tollbook.not-notified`
    too, and the next check tells it again.
    """
    findings = report.health.findings
    critical = [each for each in findings if each.severity is Severity.CRITICAL]
    untold = (f"not notified: {report.problem}",) if report.problem else ()
    if critical:
        return Verdict(Failed(message="; ".join((*(each.text for each in critical[:3]), *untold))))
    counts = f"{len(findings)} findings, none critical" if findings else "all is well"
    return Verdict(Completed(message="; ".join((counts, *untold))))
