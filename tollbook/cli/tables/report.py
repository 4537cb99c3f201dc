"""Print costs, and the one-page report that has them: losses first, then costs, tables, quality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from payer.values.purchase import Money
from tasks.request.counted import total_of
from tollbook.cli.terminal.output import Output

Row = Mapping[str, Any]
EXPOSED = Money.EXPOSED.value

TEXTS = frozenset({"flow", "day", "month", "dataset"})
MONEY = frozenset({"amount", "loss", "in_doubt", "saved"})
SHOWN = (
    *("day", "month", "flow", "dataset", "calls_paid", "amount", "loss", "in_doubt"),
    *("rows_new", "rows_checked", "calls_avoided", "saved"),
)
"""Columns for people; json and csv have every column of the view."""
WORDS = {
    "calls_paid": "paid calls",
    "loss": "lost",
    "in_doubt": "in doubt",
    "rows_new": "new rows",
    "rows_checked": "seen again",
    "calls_avoided": "cached calls",
}
OPTIONAL = ("rows_checked", "in_doubt", "rows_new", "calls_avoided", "loss")
"""Columns that a narrow terminal doesn't get, the first left out first; those without a figure before the others."""


def show_losses(output: Output, rows: Sequence[Row]) -> None:
    """Print what was paid for nothing and what is in doubt, a line for each asset; nothing where there is neither."""
    for asset in dict.fromkeys(row["asset"] for row in rows):
        of_asset = [row for row in rows if row["asset"] == asset]
        if lost := total_of(of_asset, "loss"):
            output.line(f"  lost: {lost:f} {asset} was paid for nothing that can be used", style="red", hang=4)
        doubtful = [{"sum": row["amount"] if row.get("money") == EXPOSED else row.get("in_doubt")} for row in of_asset]
        if in_doubt := total_of(doubtful, "sum"):
            words = f"  in doubt: {in_doubt:f} {asset} was sent, and is not yet proved paid or void"
            output.line(words, style="yellow", hang=4)


def show_costs(output: Output, rows: Sequence[Row]) -> None:
    """Print the rows of a cost view and, for each asset, the total of every column with money or counts."""
    columns = tuple(name for name in SHOWN if name in rows[0])
    figures = frozenset(at for at, name in enumerate(columns) if name not in TEXTS)
    words = tuple(WORDS.get(name, name) for name in columns)
    shown = [tuple(_shown(name, row[name], row["asset"]) for name in columns) for row in rows]
    empty = [WORDS.get(name, name) for name in OPTIONAL if not any(Decimal(row.get(name) or 0) for row in rows)]
    optional = (*empty, *(WORDS[name] for name in OPTIONAL if WORDS[name] not in empty))
    totals = [tuple(_total(columns, rows, asset)) for asset in dict.fromkeys(row["asset"] for row in rows)]
    if len(totals) == 1:
        output.table(words, shown, right=figures, foot=totals[0], optional=optional)
        return
    output.table(words, shown, right=figures, optional=optional)
    output.line()
    output.table(words, totals, right=figures, optional=optional)


def _total(columns: tuple[str, ...], rows: Sequence[Row], asset: str) -> list[str]:
    of_asset = [row for row in rows if row["asset"] == asset]
    texts = {columns[0]: "total"}
    return [
        texts.get(name, "") if name in TEXTS else _shown(name, f"{total_of(of_asset, name):f}", asset)
        for name in columns
    ]


def _shown(name: str, value: object, asset: str) -> str:
    """A cell, with its unit where it is money."""
    if value is None:
        return "-"
    return f"{value} {asset}" if name in MONEY else str(value)


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
