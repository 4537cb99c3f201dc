"""`tollbook costs`: show what was spent and what the cache saved."""

from __future__ import annotations

import sys
from contextlib import suppress
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from payer.values.errors import Misconfigured
from tasks.request.counted import counted, total_of
from tollbook.cli import options
from tollbook.cli.tables.report import show_costs, show_losses
from tollbook.cli.terminal.output import Output

if TYPE_CHECKING:
    from tasks.ops.costs import CostTable


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


BOOKS = (Format.ACCOUNTING, Format.ACCOUNTING_TOTALS)


def costs(
    by: Annotated[By | None, typer.Option("--by", help="What to sum by; by default the flow.")] = None,
    shape: Annotated[Format | None, typer.Option("--format", help="How to print it; by default a table.")] = None,
    month: Annotated[str | None, typer.Option("--month", metavar="M", help="Only this month, YYYY-MM (UTC).")] = None,
    first: options.First = None,
    last: Annotated[
        str | None, typer.Option("--to", metavar="D", help="Last day, YYYY-MM-DD, inclusive (UTC).")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Show what was spent and what the cache saved, as published. Needs no key, no network.

    A purchase belongs to the day in which it settled or, until then, in which it was ordered.
    """
    _check(by, shape, month, first, last, as_json=as_json)
    from tasks.ops.costs import is_published, published_costs
    from tasks.request.model import parse_period
    from tasks.workspace.workspace import Workspace
    from tollbook.cli.workspace import in_workspace
    from warehouse.exports.accounting import export_accounting, export_totals

    period = parse_period(month, first, last)
    output = Output(as_json=as_json or shape is Format.JSON)
    if shape in BOOKS:
        with Workspace.open() as ws:
            write = export_totals if shape is Format.ACCOUNTING_TOTALS else export_accounting
            write(ws.ledger, sys.stdout, period)
        return
    group = by or By.FLOW

    async def read(ws: Workspace) -> CostTable:
        if is_published(ws.home):
            return published_costs(ws, group.value, period)
        from tasks.ops.publish import cost_table

        return await cost_table(ws, group.value, period)

    table = in_workspace(read)
    output.warn(table.stale)
    output.document(table.rows)
    if shape is Format.CSV:
        _csv(table.rows)
    elif output.as_json:
        return
    elif table.rows and group is By.PURCHASE:
        _show_calls(output, table)
    elif table.rows:
        output.line(_title(table, group))
        show_losses(output, table.rows)
        output.line()
        show_costs(output, table.rows)
    else:
        output.line("nothing was bought yet" if period.first is period.last is None else "nothing was bought then")


def _check(
    by: By | None, shape: Format | None, month: str | None, first: str | None, last: str | None, *, as_json: bool
) -> None:
    from tollbook.cli.errors import BadUsage

    if month is not None and (first is not None or last is not None):
        raise BadUsage("--month and --from or --to were both given", advice="give the month, or the days")
    if as_json and shape not in (None, Format.JSON):
        raise BadUsage(f"--json and --format {shape} were both given", advice="give one of them")
    if shape in BOOKS and by is not None:
        advice = "leave --by out: the books are by purchase (accounting) or by month (accounting-totals)"
        raise BadUsage(f"--format {shape} can't be summed by {by}", advice=advice)


def _show_calls(output: Output, table: CostTable) -> None:
    """Print each purchase as `watch` does, in the order of time, and the totals."""
    from tasks.calls.call import of_cost
    from tasks.calls.subject import KeyNames
    from tasks.workspace.workspace import Workspace
    from tollbook.cli.tables.calls import lines_for

    output.line(_title(table, By.PURCHASE))
    show_losses(output, table.rows)
    output.line()
    with Workspace.open() as ws:
        with suppress(Misconfigured):  # as in `watch`
            _ = ws.policy
        lines_for(as_json=False, name=KeyNames(ws.home)).show(map(of_cost, table.rows))
    output.line()
    for asset in dict.fromkeys(row["asset"] for row in table.rows):
        rows = [row for row in table.rows if row["asset"] == asset]
        free = sum(row["amount"] == "0" for row in rows)
        calls = counted(len(rows) - free, "paid call") + (f", {free} that cost nothing" if free else "")
        output.line(f"total  {total_of(rows, 'amount')} {asset}, {calls}", style="bold")


def _title(table: CostTable, by: By) -> str:
    when = table.first if table.first == table.last else f"{table.first} to {table.last}"
    return f"costs by {by.value}, {when or 'no purchase'} (UTC)"


def _csv(rows: list[dict[str, Any]]) -> None:
    import csv

    writer = csv.DictWriter(sys.stdout, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
    if rows:
        writer.writeheader()
    writer.writerows(rows)
