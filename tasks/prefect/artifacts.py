"""Show bills, purchases, costs and reconciliations as Prefect artifacts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from prefect import get_run_logger
from prefect.artifacts import create_markdown_artifact, create_table_artifact

from tasks.buy.bill import Bill, Line
from tasks.buy.caps import CapLine
from tasks.buy.outcome import Outcome
from tasks.calls.call import WatchedCall, of_cost
from tasks.ops.costs import view
from tasks.ops.publish import cost_table
from tasks.ops.reconcile import Books
from tasks.request.counted import counted, total_of
from tasks.workspace.workspace import Workspace

WITHIN = "within cap"
NOTHING = "nothing to buy"

COST_COLUMNS = {
    "day": "day",
    "month": "month",
    "flow": "flow",
    "dataset": "dataset",
    "calls_paid": "paid calls",
    "amount": "spent",
    "loss": "lost",
    "in_doubt": "in doubt",
    "asset": "asset",
    "rows_new": "new rows",
    "calls_avoided": "calls saved",
    "saved": "saved",
}
"""Columns of a cost view that an artifact shows, with their headings."""

COST_LABELS = frozenset({"day", "month", "flow", "dataset", "asset"})


async def bill_artifact(bill: Bill) -> None:
    """Write the bill as a table artifact, before anything is signed; caps, and what can't be bought, above it."""
    rows = []
    for line in bill.lines:
        price = ", ".join(sorted(map(bill.money, {item.price for item in line.all_items}))) or "-"
        rows.append(
            _row(bill, line.dataset, line_verdict(bill, line), line.missing_cells, price, line.known_atomic, line)
        )
    if len(bill.lines) > 1:  # refused lines are not in the sums
        cells = sum(line.missing_cells for line in bill.lines)
        rows.append(_row(bill, "total", _whole_verdict(bill), cells, "-", bill.amount_atomic, bill))
    await write_artifact(create_table_artifact, table=rows, key=f"{slug(bill.flow)}-bill", description=_bill_text(bill))


def _row(
    bill: Bill, name: str, verdict: str, cells: int, price: str, amount_atomic: int | None, of: Line | Bill
) -> dict[str, Any]:
    symbol = bill.asset.symbol
    return {
        "dataset": name,
        "verdict": verdict,
        "missing cells": cells,
        "calls": of.calls,
        f"a call {symbol}": price,
        f"amount {symbol}": bill.money(amount_atomic),
        "saved calls": of.saved.calls,
        f"saved {symbol}": bill.money(of.saved.amount_atomic),
        "gone cells": sum(lost.cells for lost in of.lost),
    }


def line_verdict(bill: Bill, line: Line) -> str:
    """Say what becomes of one dataset of the bill, and which cap, price or person stands in its way."""
    if line.problem is not None and line.all_items:
        return f"refused: {line.problem.what}"
    waiting = sum(item.order.dataset == line.dataset for item in bill.postponed)
    if not line.all_items and not waiting:
        return "paid and undelivered: waits for a person" if line.undelivered else NOTHING
    if not line.all_items:
        return "left for a later run by the caps"
    whole = _whole_verdict(bill)
    return f"{whole}, {counted(waiting, 'call')} left for a later run" if waiting and whole == WITHIN else whole


def _whole_verdict(bill: Bill) -> str:
    if bill.refusal is not None and not bill.postponed:
        names = [_short(cap) for cap in bill.caps if cap.refuses]
        return f"refused by {' and '.join(names)}" if names else f"refused: {bill.refusal.what}"
    return WITHIN if bill.calls else NOTHING


def _short(cap: CapLine) -> str:
    """Return per_day for caps.USDC.per_day, and max_cost for a run's own maximum; a seller's cap keeps its name."""
    if cap.name.startswith("caps."):
        return cap.name.rsplit(".", 1)[-1]
    return cap.name.removeprefix("--").replace("-", "_")


def _bill_text(bill: Bill) -> str:
    """Markdown: the total, what is not bought and why, notes, and every cap."""
    symbol = bill.asset.symbol
    lines = [f"{bill.flow}: {counted(bill.calls, 'call')}, {bill.money(bill.amount_atomic)} {symbol}"]
    lines += [f"Refused: {problem.what}" for problem in bill.problems]
    if bill.postponed:
        amount = bill.money(bill.postponed_atomic)
        lines.append(f"Left for a later run by the caps: {counted(len(bill.postponed), 'call')}, {amount} {symbol}")
    if bill.undelivered:
        calls = counted(len(bill.undelivered), "call")
        lines.append(f"Paid, never delivered, and not bought again without operator approval: {calls}")
    for lost in bill.lost:
        repair = f"; {lost.repaired_by} has them" if lost.repaired_by else ""
        lines.append(f"Gone: {counted(lost.cells, 'cell')} of {lost.dataset} ({lost.what}){repair}")
    lines += bill.notes
    if bill.caps:
        lines.append(markdown_table([_cap_row(cap) for cap in bill.caps]))
    return "\n\n".join(lines)


def _cap_row(cap: CapLine) -> dict[str, Any]:
    document, symbol = cap.document(), cap.asset.symbol
    return {
        "cap": document["cap"],
        f"limit {symbol}": document["limit"],
        f"committed {symbol}": document["committed"],
        f"after this bill {symbol}": document["after"],
        "verdict": f"refused by {_short(cap)}" if cap.refuses else WITHIN,
    }


async def cost_artifact(ws: Workspace, by: str = "flow") -> None:
    found = await cost_table(ws, by)
    text = cost_text(found.rows) + (f"\n\n{found.stale}" if found.stale else "")
    await write_artifact(create_markdown_artifact, markdown=text, key=f"costs-by-{by}", description=f"costs by {by}")


def cost_text(rows: Sequence[dict[str, Any]]) -> str:
    """Markdown: a sentence per asset, losses first, then the rows, and a total for each asset."""
    if not rows:
        return markdown_table(rows)
    assets = list(dict.fromkeys(row["asset"] for row in rows))
    totals = [_cost_total([row for row in rows if row["asset"] == asset]) for asset in assets]
    heads = [_cost_sentence(total) for total in totals]
    names = [name for name in COST_COLUMNS if name in rows[0]]
    shown = [{COST_COLUMNS[name]: _cell(row[name]) for name in names} for row in [*rows, *totals]]
    return "\n\n".join([*heads, markdown_table(shown)])


def _cost_total(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Sums of one asset's rows, exact; the first column says that it is a total."""
    names = [name for name in COST_COLUMNS if name in rows[0]]
    labels = {names[0]: "**total**", "asset": rows[0]["asset"]}
    return {name: labels.get(name, "") if name in COST_LABELS else total_of(rows, name) for name in names}


def _cost_sentence(total: dict[str, Any]) -> str:
    asset, lost, doubt = total["asset"], total.get("loss", 0), total.get("in_doubt", 0)
    head = f"**{_cell(lost)} {asset} lost**: paid, and nothing that can be used came. " if lost else ""
    doubtful = f"{_cell(doubt)} {asset} in doubt. " if doubt else ""
    nothing = "" if lost or doubt else " Nothing lost, nothing in doubt."
    return f"{head}{doubtful}**{_cell(total['amount'])} {asset} spent** in {_cell(total['calls_paid'])} calls.{nothing}"


def _cell(value: Any) -> str:
    return "-" if value is None else format(value, "f") if isinstance(value, Decimal) else str(value)


ARTIFACT_SECONDS, GONE_SECONDS = 20.0, 120.0
"""Time that a server has for an artifact, and time in which it is not asked again after it failed."""

_no_server_until = 0.0

MOST_PURCHASES = 200
"""Purchases that an artifact lists; the others are in `tollbook costs --by purchase`."""


async def purchases_artifact(ws: Workspace, outcome: Outcome) -> None:
    """Write what a run bought as a markdown artifact, as it was published, each with its transaction."""
    run = outcome.run
    try:
        where = f"WHERE run_id = '{run.run_id}' ORDER BY coalesce(block_time, created_at), purchase_id"
        rows = await ws.in_thread(view, ws.home, f"SELECT * FROM costs {where}")
    except FileNotFoundError:
        return
    if rows:
        text = purchases_text([of_cost(row) for row in rows])
        await write_artifact(
            create_markdown_artifact,
            markdown=text,
            key=f"{slug(run.flow)}-purchases",
            description="what the run bought",
        )


def purchases_text(calls: Sequence[WatchedCall]) -> str:
    """Markdown: a row per purchase, with a link to its transaction where its chain has a public explorer."""
    text = markdown_table([_purchase_row(call) for call in calls[:MOST_PURCHASES]])
    more = len(calls) - MOST_PURCHASES
    return f"{text}\n\n{more} more: `tollbook costs --by purchase`" if more > 0 else text


def _purchase_row(call: WatchedCall) -> dict[str, Any]:
    asked = call.subject
    shown = f"{call.tx_hash[:10]}…{call.tx_hash[-4:]}" if call.tx_hash else "-"
    return {
        "time (UTC)": f"{call.at:%Y-%m-%d %H:%M}",
        "dataset": call.dataset,
        "keys": ", ".join(asked.keys) or "-",
        "window": asked.window or "-",
        "amount": call.amount,
        "state": call.state.value,
        "transaction": f"[{shown}]({call.tx_url})" if call.tx_url else shown,
    }


async def books_artifact(books: Books) -> None:
    head = "Clean." if not books.differences else f"{len(books.differences)} differences."
    head = " ".join(part for part in (head, books.loss_text, books.doubt_text) if part)
    rows = books.document()
    assets = [{k: v for k, v in one.items() if k != "foreign"} for one in rows["assets"]]
    text = f"{head}\n\n{markdown_table(assets)}" if assets else head
    text += "".join(f"\n\n{line}" for line in (books.foreign(one).line for one in books.assets) if line)
    if rows["differences"]:
        text += "\n\n" + markdown_table(rows["differences"])
    await write_artifact(create_markdown_artifact, markdown=text, key="books", description="ledger against chain")


async def write_artifact(create: Callable[..., Any], **artifact: Any) -> None:
    """Write an artifact. A server that is gone keeps nobody from buying, booking and ending: it is waited for once."""
    global _no_server_until
    why = "its server did not answer before"
    if time.monotonic() >= _no_server_until:
        try:
            async with asyncio.timeout(ARTIFACT_SECONDS):
                await create(**artifact)
        except Exception as error:  # noqa: BLE001 - whatever the server or the network says
            why, _no_server_until = str(error) or type(error).__name__, time.monotonic() + GONE_SECONDS
        else:
            return
    log, key = get_run_logger(), artifact["key"]
    log.warning("%s is not shown in Prefect (%s); the ledger has it all the same", key, why)


def markdown_table(rows: Sequence[dict[str, Any]]) -> str:
    """Return rows as a markdown table; columns are those of the first row."""
    if not rows:
        return "Nothing was bought yet."
    head = list(rows[0])
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for row in rows:  # a line break or a bar of a seller's would end the cell
        cells = (" ".join(str(row[name]).split()).replace("|", "\\|") for name in head)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def slug(name: str) -> str:
    """Return a name in the form of an artifact's key."""
    return name.replace("_", "-")
