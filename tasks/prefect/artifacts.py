"""Show bills, costs and reconciliations as Prefect artifacts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from tasks.buy.bill import Bill, Line
from tasks.ops.costs import cost_table
from tasks.ops.reconcile import Books
from tasks.workspace.workspace import Workspace


async def bill_artifact(bill: Bill) -> None:
    """Write the bill as a table artifact, before anything is signed; caps, and what can't be bought, above it."""
    rows = [_bill_row(bill, line) for line in bill.lines]
    await create_table_artifact(table=rows, key=f"{slug(bill.flow)}-bill", description=_bill_text(bill))  # type: ignore[misc]


def _bill_row(bill: Bill, line: Line) -> dict[str, Any]:
    symbol, prices = bill.asset.symbol, {item.price for item in line.all_items}
    return {
        "dataset": line.dataset,
        "missing cells": line.missing_cells,
        "calls": line.calls,
        f"a call {symbol}": ", ".join(sorted(map(bill.money, prices))) or "-",
        f"amount {symbol}": bill.money(line.known_atomic),
        "saved calls": line.saved.calls,
        f"saved {symbol}": bill.money(line.saved.amount_atomic),
        "gone cells": sum(lost.cells for lost in line.lost),
    }


def _bill_text(bill: Bill) -> str:
    """Markdown: the total, what is not bought and why, notes, and every cap."""
    symbol = bill.asset.symbol
    lines = [f"{bill.flow}: {bill.calls} calls, {bill.money(bill.amount_atomic)} {symbol}"]
    lines += [f"Refused: {problem.what}" for problem in bill.problems]
    if bill.postponed:
        amount = bill.money(bill.postponed_atomic)
        lines.append(f"Left for a later run by the caps: {len(bill.postponed)} calls, {amount} {symbol}")
    if bill.undelivered:
        calls = f"{len(bill.undelivered)} calls"
        lines.append(f"Paid, never delivered, and not bought again without operator approval: {calls}")
    for lost in bill.lost:
        repair = f"; {lost.repaired_by} has them" if lost.repaired_by else ""
        lines.append(f"Gone: {lost.cells} cells of {lost.dataset} ({lost.what}){repair}")
    lines += bill.notes
    if bill.caps:
        lines.append(markdown_table([cap.document() for cap in bill.caps]))
    return "\n\n".join(lines)


async def cost_artifact(ws: Workspace, by: str = "flow") -> None:
    """Write a cost view as a markdown artifact."""
    found = await cost_table(ws, by)
    text = markdown_table(found.rows) + (f"\n\n{found.stale}" if found.stale else "")
    await create_markdown_artifact(markdown=text, key=f"costs-by-{by}", description=f"costs by {by}")  # type: ignore[misc]


async def books_artifact(books: Books) -> None:
    """Write a reconciliation as a markdown artifact."""
    head = "Clean." if not books.differences else f"{len(books.differences)} differences."
    head = f"{head} {books.loss_text}".strip()
    rows = books.document()
    assets = [{k: v for k, v in one.items() if k != "foreign"} for one in rows["assets"]]
    text = f"{head}\n\n{markdown_table(assets)}" if assets else head
    text += "".join(f"\n\n{line}" for line in (books.foreign(one).line for one in books.assets) if line)
    if rows["differences"]:
        text += "\n\n" + markdown_table(rows["differences"])
    await create_markdown_artifact(markdown=text, key="books", description="ledger against chain")  # type: ignore[misc]


def markdown_table(rows: Sequence[dict[str, Any]]) -> str:
    """Return rows as a markdown table; columns are those of the first row."""
    if not rows:
        return "Nothing was bought yet."
    head = list(rows[0])
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(str(row[name]) for name in head) + " |" for row in rows])


def slug(name: str) -> str:
    """Return a name in the form of an artifact's key."""
    return name.replace("_", "-")
