"""Findings about the set-up: what `tollbook doctor` checks and may break by itself, and a write-ahead log left over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from payer.values.errors import Misconfigured
from tasks.health.finding import Finding, Severity
from tasks.ops.doctor import Check


def failed_checks(checks: Iterable[Check]) -> Iterator[Finding]:
    """Turn each check that failed into a critical finding; one that passed with advice is a warning."""
    for check in checks:
        if check.ok and not check.fix:
            continue
        severity = Severity.WARNING if check.ok else Severity.CRITICAL
        kind, _, subject = check.name.partition(" ")
        yield Finding(kind, subject or kind, severity, check.detail, check.fix, exit_code=check.exit_code)


def leftover_log(home: Path) -> Iterator[Finding]:
    """Find a write-ahead log beside the published file: a program opened it for writing and was killed."""
    log = home / "published" / "warehouse.duckdb.wal"
    if log.exists():
        text = f"{log} is there: a program opened the published file for writing"
        advice = "open it read-only (`duckdb -readonly`); the next publication replaces the file"
        yield Finding(
            "leftover-log", "warehouse.duckdb", Severity.WARNING, text, advice, exit_code=Misconfigured.exit_code
        )
