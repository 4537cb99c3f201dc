"""Print the one-page report: costs, tables, quality."""

from __future__ import annotations

from typing import Any

from tollbook.cli.tables.costs import show_costs, show_losses
from tollbook.cli.terminal.output import Output


def show_report(output: Output, page: dict[str, Any]) -> None:
    """Print losses and what waits for a person, then costs, tables, and what is wrong with the data."""
    output.heading(f"tollbook report, {page['at'][:16].replace('T', ' ')} UTC")
    show_losses(output, page["costs"])
    waiting = [f"{page[name]} {name}" for name in ("undelivered", "failed", "open") if page[name]]
    if waiting:
        output.line(f"  purchases: {', '.join(waiting)}; `tollbook status` shows them", style="yellow")
    if not page["costs"]:
        output.line("  nothing was bought yet")
        return
    output.heading("Costs")
    show_costs(output, page["costs"])
    tables = [
        (row["table"], str(row["rows"]), _when(row["newest"]), _when(row["observed_at"])) for row in page["tables"]
    ]
    if tables:
        output.heading("Tables")
        output.table(("table", "rows", "newest row", "last observed"), tables, right=frozenset({1}))
    _quality(output, page["quality"])
    for bill in page["by_paging"]:
        output.line(
            f"  {bill['dataset']}: {bill['slots']} missing hours can be bought by paging, {bill['calls']} calls for "
            f"{bill['amount']}: {bill['command']}"
        )


def _quality(output: Output, quality: dict[str, Any]) -> None:
    """Print a line per dataset, then the worst few of each kind of problem."""
    if not quality["datasets"]:
        return
    output.heading("Quality")
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
    output.table(columns, rows, right=frozenset({3, 4, 5, 6}), optional=("drift", "quarantined", "slots missing"))
    for name, title, where in PROBLEMS:
        _worst(output, title, where, quality[name])


PROBLEMS = (
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


def _worst(output: Output, title: str, where: str, problem: dict[str, Any]) -> None:
    if not problem["count"]:
        return
    output.heading(f"{title}: {problem['count']}")
    columns = tuple(problem["worst"][0])
    words = tuple(name.replace("_", " ") for name in columns)
    output.table(words, [tuple(_cell(row[name]) for name in columns) for row in problem["worst"]])
    if problem["count"] > len(problem["worst"]):
        output.line(f"  and {problem['count'] - len(problem['worst'])} more: SELECT * FROM {where}")


def _cell(value: object) -> str:
    text = "-" if value is None else str(value)
    return text if len(text) <= 60 else text[:59] + "…"


def _when(text: str | None) -> str:
    return "-" if text is None else text[:16].replace("T", " ")
