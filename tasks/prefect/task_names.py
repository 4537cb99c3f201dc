"""Names of task runs: the step, and what it is about: dataset, window, keys and amount of a call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from payer.values.money import Amount
from payer.values.purchase import Purchase
from payer.values.request import Order
from tasks.buy.bill import Bill
from tasks.buy.outcome import Bought
from tasks.buy.plan import Planned
from tasks.calls.subject import of_plan
from tasks.request.counted import counted
from tasks.request.model import DataRequest

MOST_KEYS = 3
"""Keys that a name lists; more are counted."""

STEPS = {"note_avoided": "note saved calls", "reconcile_all": "reconcile"}
"""Steps whose functions are called otherwise than people call the step."""


def task_name(step: str, arguments: Sequence[Any]) -> str:
    """Name a step by the first of its arguments that says what it is about, else by its function."""
    if step == "recover":
        return " ".join((step, *(each for each in arguments if isinstance(each, str))))
    verb = STEPS.get(step, step)
    return next((f"{verb} {words}" for each in arguments if (words := _about(each))), verb)


def _about(argument: Any) -> str:
    match argument:
        case Purchase():
            return call_name(argument)
        case Bill():
            return (
                f"{counted(argument.calls, 'call')}, {argument.money(argument.amount_atomic)} {argument.asset.symbol}"
            )
        case Planned():
            calls = counted(sum(len(plan.pieces) for _, plan in argument.plans), "call")
            return f"{calls} of {', '.join(dataset.name for dataset, _ in argument.plans)}"
        case DataRequest():
            return ", ".join(part.dataset for part in argument.datasets)
        case [Bought(), *_]:
            return counted(len(argument), "call")
    return ""


def call_name(purchase: Purchase) -> str:
    """Return `tm-grade 2026-11-29 of 3306, 3375 for 0.017 USDC`."""
    words = [purchase.order.dataset, *order_words(purchase.order)]
    return f"{' '.join(words)} for {Amount(purchase.committed, purchase.asset)}"


def order_words(order: Order) -> list[str]:
    """Return window, keys and page of an order, as far as its plan or its request says."""
    asked, words = of_plan(order.dataset, order.context, order.request.params), []
    if asked.first is not None:
        words.append(asked.first if asked.first == asked.last else f"{asked.first} to {asked.last}")
    if asked.keys:
        words.append(f"of {', '.join(asked.keys)}" if len(asked.keys) <= MOST_KEYS else f"of {len(asked.keys)} keys")
    return [*words, *([f"page {asked.page}"] if asked.page else [])]
