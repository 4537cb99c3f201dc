"""What a Prefect flow shows and takes besides its steps: log lines, artifacts, a key from a Secret, its final state."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.blocks.system import Secret
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from payer.values.errors import PayerError
from tasks.buy.bill import Bill, Line
from tasks.buy.outcome import Outcome
from tasks.ops.costs import cost_table
from tasks.ops.reconcile import Books
from tasks.workspace.workspace import Workspace

KEY_BLOCK = "tollbook-private-key"
"""Name of the Secret block that may hold the paying key, for workers without it in their environment."""


async def environ_with_key() -> dict[str, str]:
    """The worker's environment; where it names no wallet, with the key of the Secret block (kept in this process)."""
    environ = dict(os.environ)
    if environ.get("TOLLBOOK_PRIVATE_KEY") or environ.get("TOLLBOOK_KEYSTORE"):
        return environ
    try:
        block: Any = await Secret.aload(KEY_BLOCK)
    except ValueError:
        return environ
    return {**environ, "TOLLBOOK_PRIVATE_KEY": str(block.get())}


async def bill_artifact(bill: Bill) -> None:
    """The bill as a table artifact, before anything is signed; caps, and what can't be bought, stand above it."""
    rows = [_bill_row(bill, line) for line in bill.lines]
    await create_table_artifact(table=rows, key=f"{slug(bill.flow)}-bill", description=_bill_words(bill))  # type: ignore[misc]


def _bill_row(bill: Bill, line: Line) -> dict[str, Any]:
    symbol, prices = bill.asset.symbol, {item.price for item in line.all_items}
    return {
        "dataset": line.dataset,
        "missing cells": line.missing_cells,
        "calls": line.calls,
        f"a call {symbol}": ", ".join(sorted(map(bill.money, prices))) or "-",
        f"amount {symbol}": bill.money(line.known_atoms),
        "saved calls": line.saved.calls,
        f"saved {symbol}": bill.money(line.saved.atoms),
        "gone cells": sum(gone.cells for gone in line.gone),
    }


def _bill_words(bill: Bill) -> str:
    """In markdown: the total, what is not bought and why, notes, and every cap."""
    said = [f"{bill.flow}: {bill.calls} calls, {bill.money(bill.atoms)} {bill.asset.symbol}"]
    said += [f"Refused: {problem.what}" for problem in bill.problems]
    if bill.postponed:
        worth = bill.money(sum(item.price or 0 for item in bill.postponed))
        said.append(f"Left for a later run by the caps: {len(bill.postponed)} calls, {worth} {bill.asset.symbol}")
    if bill.undelivered:
        said.append(
            f"Paid, never delivered, and not bought again without a person's word: {len(bill.undelivered)} calls"
        )
    for gone in bill.gone:
        repair = f"; {gone.repaired_by} has them" if gone.repaired_by else ""
        said.append(f"Gone: {gone.cells} cells of {gone.dataset} ({gone.what}){repair}")
    said += bill.notes
    return "\n\n".join([*said, *([markdown_table([line.document() for line in bill.caps])] if bill.caps else [])])


async def cost_artifact(ws: Workspace, by: str = "flow") -> None:
    """Costs as a markdown artifact."""
    found = await cost_table(ws, by)
    text = markdown_table(found.rows) + (f"\n\n{found.stale}" if found.stale else "")
    await create_markdown_artifact(markdown=text, key=f"costs-by-{by}", description=f"costs by {by}")  # type: ignore[misc]


async def books_artifact(books: Books) -> None:
    """What reconcile found, as a markdown artifact."""
    head = "Clean." if books.exit_code == 0 else f"{len(books.differences)} differences."
    rows = books.document()
    text = f"{head}\n\n" + markdown_table([{k: v for k, v in one.items() if k != "foreign"} for one in rows["assets"]])
    if rows["differences"]:
        text += "\n\n" + markdown_table(rows["differences"])
    await create_markdown_artifact(markdown=text, key="books", description="ledger against chain")  # type: ignore[misc]


def markdown_table(rows: Sequence[dict[str, Any]]) -> str:
    if not rows:
        return "Nothing was bought yet."
    head = list(rows[0])
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(str(row[name]) for name in head) + " |" for row in rows])


def verdict(outcome: Outcome) -> State[Any]:
    """The flow run's final state, in the words of the command."""
    words = f"{outcome.calls_paid} paid calls, {outcome.money(outcome.atoms)} {outcome.asset.symbol}"
    if outcome.exit_code == 0:
        return Completed(message=f"{words}; {outcome.calls_avoided} saved by the cache", data=outcome.document())
    why = [problem.what for problem in outcome.problems[:1]]
    why += [f"{outcome.open} in doubt"] if outcome.open else []
    why += [f"{outcome.undelivered} paid and undelivered"] if outcome.undelivered else []
    why += [f"failed body {body.purchase_id} ({body.dataset}): {body.what}" for body in outcome.loaded.failed[:1]]
    why += [f"{outcome.left_calls} calls left"] if outcome.left_calls else []
    return Failed(message=f"{words}; {'; '.join(why)} (exit code {outcome.exit_code})")


def books_verdict(books: Books) -> State[Any]:
    """Clean, or failed with the first difference named."""
    if books.exit_code == 0:
        return Completed(message="ledger and chain agree to the unit")
    first = books.differences[0]
    return Failed(message=f"{len(books.differences)} differences; {first.purchase_id or first.tx_hash}: {first.detail}")


def done(words: str) -> State[Any]:
    return Completed(message=words)


def failure(error: PayerError) -> State[Any]:
    """A refusal or an unreachable peer, in three sentences."""
    return Failed(message=f"{error.what}. Money: {error.money}. Run it again? {error.repeat}. What to do: {error.fix}")


def slug(name: str) -> str:
    """A name as keys of artifacts are written."""
    return name.replace("_", "-")
