"""Operator approval of a bill at the prompt, before anything is signed."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass

from payer.values.errors import OverBudget, Refused
from tasks.buy.bill import Bill
from tasks.request.counted import counted
from tollbook.cli.errors import BadUsage
from tollbook.cli.tables.bills import amount, show_bills
from tollbook.cli.terminal.output import Output


class Declined(Refused):
    """Raised when the operator declines the bill. Nothing was signed."""

    repeat = "yes: it plans and asks again"
    advice = ""


@dataclass(frozen=True, slots=True)
class Approval:
    """Show the bill and return what may be spent: --max-cost, else exactly the bill, once it is approved."""

    output: Output
    budget: int | None
    yes: bool

    async def __call__(self, bill: Bill) -> int | None:
        show_bills(self.output, [bill])
        if bill.amount_atomic == 0:
            return self.budget
        if self.budget is not None and bill.amount_atomic > self.budget:
            raise too_small(bill, self.budget)
        if bill.refusal is not None:
            raise bill.refusal
        if self.budget is not None:
            return self.budget
        if not self.yes:
            await self._ask(bill)
        return bill.amount_atomic

    async def _ask(self, bill: Bill) -> None:
        if self.output.as_json or not sys.stdin.isatty():
            raise BadUsage(
                f"the bill is {amount(bill, bill.amount_atomic)} and nobody is there to approve it",
                advice="say --yes to buy up to the bill, or --max-cost X to buy up to X",
            )
        print(f"\nBuy {counted(bill.calls, 'call')} for {amount(bill, bill.amount_atomic)}? [y/N] ", end="", flush=True)
        if (await _line()).strip().lower() not in ("y", "yes"):
            raise Declined("not approved: nothing was bought")


async def _line() -> str:
    """Read one line from the terminal, without keeping the loop from a signal."""
    loop = asyncio.get_running_loop()
    typed: asyncio.Future[None] = loop.create_future()
    loop.add_reader(sys.stdin, lambda: None if typed.done() else typed.set_result(None))
    try:
        await typed
    finally:
        loop.remove_reader(sys.stdin)
    return sys.stdin.readline()


def too_small(bill: Bill, budget: int) -> OverBudget:
    """Build the error that says how many calls --max-cost would pay for, oldest first."""
    spent = reach = 0
    for item in sorted(bill.all_items, key=lambda item: item.age):
        if spent + (item.price or 0) > budget:
            break
        spent += item.price or 0
        reach += 1
    more = (
        f"it would reach for {reach} of {counted(bill.calls, 'call')}, oldest first"
        if reach
        else "it reaches for no call"
    )
    return OverBudget(
        f"--max-cost is {amount(bill, budget)} and the bill is {amount(bill, bill.amount_atomic)}; {more}",
        advice=f"raise it to {bill.money(bill.amount_atomic)}, or ask for fewer days or tokens",
    )
