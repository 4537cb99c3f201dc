"""The one-page report as a person reads it."""

from __future__ import annotations

from typing import Any

from tollbook.cli.answer import Answer


def report_page(answer: Answer, page: dict[str, Any]) -> None:
    """Costs, then tables, then whatever needs a look."""
    answer.heading(f"tollbook report, {page['at'][:16].replace('T', ' ')} UTC")
    costs = [
        (
            row["flow"],
            row["calls_paid"],
            row["amount"],
            row["asset"],
            row["rows_new"],
            row["calls_avoided"],
            row["saved"],
        )
        for row in page["costs"]
    ]
    columns = ("flow", "paid calls", "amount", "asset", "new rows", "calls saved", "saved")
    answer.table(columns, [tuple(map(str, row)) for row in costs], right=frozenset({1, 2, 4, 5, 6}))
    answer.heading("Tables")
    tables = [
        (row["table"], str(row["rows"]), _when(row["newest"]), _when(row["observed_at"])) for row in page["tables"]
    ]
    answer.table(("table", "rows", "newest row", "last observed"), tables, right=frozenset({1}))
    _quality(answer, page["quality"])
    for name in ("open", "undelivered"):
        if page[name]:
            answer.line(f"  {name}: {page[name]}", style="yellow")


def _quality(answer: Answer, quality: dict[str, Any]) -> None:
    """A line per dataset, then the worst few of each kind of trouble there is."""
    if not quality["datasets"]:
        return
    answer.heading("Quality")
    columns = ("dataset", "newest", "late", "slots missing", "quarantined", "failed bodies", "drift")
    rows = [
        (
            row["dataset"],
            _when(row["newest_slot"]),
            _late(row),
            *(str(row[name]) for name in ("slots_missing", "rows_quarantined", "failed_bodies", "columns_drifted")),
        )
        for row in quality["datasets"]
    ]
    answer.table(columns, rows, right=frozenset({3, 4, 5, 6}))
    for name, title, where in LOOKS:
        _worst(answer, title, where, quality[name])


LOOKS = (
    ("late", "Keys late", "quality_keys"),
    ("gaps", "Gaps", "quality_gaps"),
    ("quarantined", "Reasons for quarantine", "quality_quarantined"),
    ("conflicting", "Datasets with rows that contradict each other", "quality_duplicates"),
    ("drift", "Columns that came, went or changed", "quality_drift"),
)


def _late(row: dict[str, Any]) -> str:
    if row["late"] is None:
        return "unknown"
    return f"{row['keys_late']} of {row['keys']} keys" if row["late"] else "no"


def _worst(answer: Answer, title: str, where: str, found: dict[str, Any]) -> None:
    if not found["count"]:
        return
    answer.heading(f"{title}: {found['count']}")
    columns = tuple(found["worst"][0])
    answer.table(columns, [tuple(_cell(row[name]) for name in columns) for row in found["worst"]])
    if found["count"] > len(found["worst"]):
        answer.line(f"  and {found['count'] - len(found['worst'])} more: SELECT * FROM {where}")


def _cell(value: object) -> str:
    text = "-" if value is None else str(value)
    return text if len(text) <= 60 else text[:59] + "…"


def _when(text: str | None) -> str:
    return "-" if text is None else text[:16].replace("T", " ")
