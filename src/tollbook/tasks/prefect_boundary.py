"""What a Prefect flow shows and takes besides its steps: log lines, artifacts, a key from a Secret, its final state."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.blocks.system import Secret
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.states import Completed, Failed

from tollbook.payer.errors import PayerError
from tollbook.payer.types import Purchase
from tollbook.tasks.bill import Bill
from tollbook.tasks.costing import cost_table
from tollbook.tasks.outcome import Outcome
from tollbook.tasks.reconcile import Books
from tollbook.tasks.watch import Silent
from tollbook.tasks.workspace import Workspace

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


class LogWatch(Silent):
    """Says in the flow run's log what a terminal would show."""

    def __init__(self) -> None:
        self._log: Any = get_run_logger()
        self._calls = self._done = 0

    def bill(self, bill: Bill) -> None:
        self._log.info("the bill: %s calls, %s %s", bill.calls, bill.money(bill.atoms), bill.asset.symbol)

    def buying(self, calls: int, atoms: int) -> None:
        self._calls, self._done = calls, 0

    def bought(self, purchase: Purchase | None, rows: int, problem: str | None) -> None:
        self._done += 1
        if problem:
            self._log.warning("%s", problem)
        elif self._done == self._calls or self._done % 25 == 0:
            self._log.info("bought %s of %s", self._done, self._calls)


async def bill_artifact(bill: Bill) -> None:
    """The bill as a table artifact, before anything is signed."""
    rows: list[dict[str, Any]] = [
        {
            "dataset": line.dataset,
            "missing cells": line.missing_cells,
            "calls": line.calls,
            f"amount {bill.asset.symbol}": bill.money(line.atoms),
            "saved calls": line.saved.calls,
        }
        for line in bill.lines
    ]
    description = f"{bill.flow}: {bill.calls} calls, {bill.money(bill.atoms)} {bill.asset.symbol}"
    await create_table_artifact(table=rows, key=f"{_slug(bill.flow)}-bill", description=description)  # type: ignore[misc]


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


def _slug(name: str) -> str:
    return name.replace("_", "-")
