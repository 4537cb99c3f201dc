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
    for name, rows in page["quality"].items():
        _quality(answer, name, rows)
    for name in ("open", "undelivered", "quarantined"):
        if page[name]:
            answer.line(f"  {name}: {page[name]}", style="yellow")


def _quality(answer: Answer, name: str, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    answer.heading(name.removeprefix("quality_").replace("_", " ").capitalize())
    columns = tuple(rows[0])
    answer.table(columns, [tuple("-" if row[c] is None else str(row[c]) for c in columns) for row in rows])


def _when(text: str | None) -> str:
    return "-" if text is None else text[:16].replace("T", " ")
