"""A person's yes to a bill, before anything is signed."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from payer.values.errors import OverBudget, Refused
from tasks.buy.bill import Bill
from tollbook.cli import render
from tollbook.cli.answer import Answer
from tollbook.cli.failure import BadUsage


class Declined(Refused):
    """The person said no."""

    repeat = "yes: it plans and asks again"
    advice = ""


@dataclass(frozen=True, slots=True)
class Approval:
    """Shows the bill and answers what may be spent: --max-cost, else exactly the bill, once somebody said yes."""

    answer: Answer
    budget: int | None
    yes: bool

    async def __call__(self, bill: Bill) -> int | None:
        render.bills(self.answer, [bill])
        if bill.amount_atomic == 0:
            return self.budget
        if self.budget is not None and bill.amount_atomic > self.budget:
            raise too_small(bill, self.budget)
        if bill.refusal is not None:
            raise bill.refusal
        if self.budget is not None:
            return self.budget
        if not self.yes:
            self._ask(bill)
        return bill.amount_atomic

    def _ask(self, bill: Bill) -> None:
        if self.answer.as_json or not sys.stdin.isatty():
            raise BadUsage(
                f"the bill is {render.amount(bill, bill.amount_atomic)} and nobody is there to approve it",
                advice="say --yes to buy up to the bill, or --max-cost X to buy up to X",
            )
        print(f"\nBuy {bill.calls} calls for {render.amount(bill, bill.amount_atomic)}? [y/N] ", end="", flush=True)
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise Declined("not approved: nothing was bought")


def too_small(bill: Bill, budget: int) -> OverBudget:
    """Says how far the money would reach, oldest first, so that a person can choose."""
    spent = reach = 0
    for item in sorted(bill.all_items, key=lambda item: item.age):
        if spent + (item.price or 0) > budget:
            break
        spent += item.price or 0
        reach += 1
    more = f"it would reach for {reach} of {bill.calls} calls, oldest first" if reach else "it reaches for no call"
    total = render.amount(bill, bill.amount_atomic)
    return OverBudget(
        f"--max-cost is {render.amount(bill, budget)} and the bill is {total}; {more}",
        advice=f"raise it to {bill.money(bill.amount_atomic)}, or ask for fewer days or tokens",
    )
