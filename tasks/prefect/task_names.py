"""Names of task runs: the step, and what it is about: dataset, window, keys and amount of a call."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from payer.values.money import Amount
from payer.values.purchase import Purchase
from payer.values.request import Order
from sources import registry
from sources.model import DAY, EVERYTHING
from sources.slots import start_of
from tasks.buy.bill import Bill
from tasks.buy.outcome import Bought
from tasks.buy.plan import Planned
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
            return f"{argument.calls} calls, {argument.money(argument.amount_atomic)} {argument.asset.symbol}"
        case Planned():
            calls = sum(len(plan.pieces) for _, plan in argument.plans)
            return f"{calls} calls of {', '.join(dataset.name for dataset, _ in argument.plans)}"
        case DataRequest():
            return ", ".join(part.dataset for part in argument.datasets)
        case [Bought(), *_]:
            return f"{len(argument)} calls"
    return ""


def call_name(purchase: Purchase) -> str:
    """Return `tm-grade 2026-11-29 of 3306, 3375 for 0.017 USDC`."""
    words = [purchase.order.dataset, *order_words(purchase.order)]
    return f"{' '.join(words)} for {Amount(purchase.committed, purchase.asset)}"


def order_words(order: Order) -> list[str]:
    """Return window, keys and page of an order, as far as its plan's context says."""
    context, words = order.context, []
    if window := window_words(order):
        words.append(window)
    keys = [str(key) for key in context.get("keys") or () if key != EVERYTHING]
    if keys:
        words.append(f"of {', '.join(keys)}" if len(keys) <= MOST_KEYS else f"of {len(keys)} keys")
    page = context.get("page", 0)
    if isinstance(page, int) and page > context.get("first_page", page):
        words.append(f"page {page}")
    return words


def window_words(order: Order) -> str:
    """Return the first and last slot: a day, an hour of it, or two of them; "" for what the plan does not say."""
    try:
        dataset = registry.dataset(order.dataset)
        ends = [start_of(dataset, int(order.context[end])) for end in ("first", "last")]
    except (LookupError, TypeError, ValueError, OverflowError):
        return ""
    first, last = (_slot(end, days=dataset.grain % DAY == 0) for end in ends)
    return first if first == last else f"{first} to {last}"


def _slot(start: datetime, *, days: bool) -> str:
    return f"{start:%Y-%m-%d}" if days else f"{start:%Y-%m-%d %H:%M}"
