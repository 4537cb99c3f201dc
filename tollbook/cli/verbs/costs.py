"""`tollbook costs`: show what was spent and what the cache saved."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import typer

from tollbook.cli import options
from tollbook.cli.output import Output


class By(StrEnum):
    """Groups that costs are summed by; `purchase` lists every purchase."""

    FLOW = "flow"
    DAY = "day"
    MONTH = "month"
    DATASET = "dataset"
    PURCHASE = "purchase"


class Format(StrEnum):
    """`accounting` is a CSV for bookkeeping, one line per purchase; `accounting-totals` its sums by month."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    ACCOUNTING = "accounting"
    ACCOUNTING_TOTALS = "accounting-totals"


def costs(
    by: Annotated[By, typer.Option("--by", help="What to sum by.")] = By.FLOW,
    shape: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.TABLE,
    as_json: options.Json = False,
) -> None:
    """Show what was spent and what the cache saved. Needs no key, no network."""
    from tasks.ops.costs import cost_table, export_accounting
    from tasks.workspace.workspace import Workspace
    from tollbook.cli.workspace import in_workspace

    output = Output(as_json=as_json or shape is Format.JSON)
    if shape in (Format.ACCOUNTING, Format.ACCOUNTING_TOTALS) and not output.as_json:
        with Workspace.open() as ws:
            export_accounting(ws, sys.stdout, totals=shape is Format.ACCOUNTING_TOTALS)
        return
    table = in_workspace(lambda ws: cost_table(ws, by.value))
    rows = table.rows
    output.warn(table.stale)
    output.document(rows)
    if shape is Format.CSV and not output.as_json:
        _csv(rows)
        return
    if not rows:
        output.line("nothing was bought yet")
        return
    columns = tuple(name for name in rows[0] if name in SHOWN)
    figures = frozenset(at for at, name in enumerate(columns) if name not in TEXTS)
    output.table(columns, [tuple(_shown(row[name]) for name in columns) for row in rows], right=figures)


TEXTS = frozenset({"flow", "day", "month", "dataset", "asset", "purchase_id", "money", "data"})
SHOWN = (*TEXTS, "calls_paid", "amount", "in_doubt", "rows_new", "calls_avoided", "saved")
"""Columns that fit a terminal; json and csv have every column of the view."""


def _shown(value: object) -> str:
    return "-" if value is None else str(value)


def _csv(rows: list[dict[str, object]]) -> None:
    import csv

    writer = csv.DictWriter(sys.stdout, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
    if rows:
        writer.writeheader()
    writer.writerows(rows)
