"""Findings about data: keys that are late by the schedules, from the published file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tasks.health.finding import Finding, Severity
from warehouse.query import query

LATE = """
    SELECT dataset, count(*) AS keys, min(key) AS example, min(expected_at) AS expected_at
    FROM quality_keys WHERE late GROUP BY dataset ORDER BY dataset
"""


def late(home: Path) -> Iterator[Finding]:
    """Find datasets with late keys; none before the first publication."""
    try:
        _, rows = query(home, LATE)
    except FileNotFoundError:
        return
    for dataset, keys, example, expected_at in rows:
        since = f", due since {expected_at:%Y-%m-%d %H:%M} UTC" if expected_at else ", never delivered"
        more = "" if keys == 1 else f" and {keys - 1} more"
        text = f"{dataset}: {example}{more} late{since}"
        advice = f"see quality_keys; `tollbook run {dataset}` buys what is due"
        yield Finding("late", dataset, Severity.WARNING, text, advice)
