"""`tollbook costs`: what was spent, on what, saved by the cache."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from tollbook.cli import options
from tollbook.cli.answer import Answer


class By(StrEnum):
    """What costs are summed by; `purchase` lists every one."""

    FLOW = "flow"
    DAY = "day"
    MONTH = "month"
    DATASET = "dataset"
    PURCHASE = "purchase"


class Format(StrEnum):
    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def costs(
    by: Annotated[By, typer.Option("--by", help="What to sum by.")] = By.FLOW,
    shape: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.TABLE,
    as_json: options.Json = False,
) -> None:
    """Show what was spent and what the cache saved, from the ledger. Needs no key, no network."""
    from tollbook.tasks.costing import cost_table
    from tollbook.tasks.workspace import Workspace

    answer = Answer(as_json=as_json or shape is Format.JSON)
    with Workspace.open() as ws:
        rows = cost_table(ws, by.value)
    answer.document(rows)
    if shape is Format.CSV and not answer.as_json:
        _csv(rows)
        return
    if not rows:
        answer.line("nothing was bought yet")
        return
    columns = tuple(rows[0])
    figures = frozenset(at for at, name in enumerate(columns) if name not in TEXTS)
    answer.table(columns, [tuple(_shown(row[name]) for name in columns) for row in rows], right=figures)


TEXTS = frozenset({"flow", "day", "month", "dataset", "asset", "purchase_id", "money", "data", "tx_hash"})


def _shown(value: object) -> str:
    return "-" if value is None else str(value)


def _csv(rows: list[dict[str, object]]) -> None:
    import csv
    import sys

    writer = csv.DictWriter(sys.stdout, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
    if rows:
        writer.writeheader()
    writer.writerows(rows)
