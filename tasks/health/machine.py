"""Findings about the set-up: what `tollbook doctor` checks and may break by itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tasks.health.finding import Check, Finding, Severity


def failed_checks(checks: Iterable[Check]) -> Iterator[Finding]:
    """Turn each check that failed into a critical finding; one that passed with advice is a warning."""
    for check in checks:
        if check.ok and not check.fix:
            continue
        severity = Severity.WARNING if check.ok else Severity.CRITICAL
        kind, _, subject = check.name.partition(" ")
        text = f"{subject}: {check.detail}" if subject not in check.detail else check.detail
        yield Finding(kind, subject or kind, severity, text, check.fix, exit_code=check.exit_code)
