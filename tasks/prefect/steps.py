"""The steps of a run as Prefect tasks: names and retries; nothing cached, nothing persisted, no tags.

Before each run of a tagged task Prefect asks its server for slots of the tags' limits: with the server gone, a payment
would wait for it and fail. Prefect can't keep money safe: its caches and transactions record after the fact
(docs/operating.md). Repeating a task is safe only because the payer resumes from its own ledger.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import prefect
from prefect import Task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun

from payer.values.errors import Unreachable
from payer.values.money import Amount
from payer.values.purchase import Purchase
from payer.values.request import Order
from tasks.buy.bill import Bill
from tasks.buy.outcome import Bought
from tasks.buy.plan import Planned, note_avoided, plan, quote
from tasks.buy.publish import load, publish
from tasks.buy.purchase import approve, buy, recover, verify
from tasks.calls.subject import of_plan
from tasks.lake.write_lake import write_lake
from tasks.ops.publish import compact, publish_all
from tasks.ops.reconcile import reconcile_all
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
    asked = of_plan(order.dataset, order.context, order.request.params)
    words = [asked.window] if asked.window else []
    if asked.keys:
        words.append(f"of {', '.join(asked.keys)}" if len(asked.keys) <= MOST_KEYS else f"of {len(asked.keys)} keys")
    return [*words, *([f"page {asked.page}"] if asked.page else [])]


P = ParamSpec("P")
R = TypeVar("R")


class Call:
    """A step with its arguments, opaque to Prefect, which walks into lists and dataclasses and shows what it finds: it
    must not find a purchase, a policy or a key (I10). The text of a Call names its task run."""

    __slots__ = ("arguments", "label", "named", "step")

    def __init__(self, step: Callable[..., Awaitable[Any]], arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        self.step, self.arguments, self.named = step, arguments, named
        self.label = task_name(step.__name__, arguments)

    def __str__(self) -> str:
        return self.label

    def __repr__(self) -> str:
        return f"<{self.label}>"


async def _run(call: Call) -> Any:
    return await call.step(*call.arguments, **call.named)


def _worth_repeating(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Repeat only what could not reach a peer: a refusal would be the same again."""
    error = state.data if isinstance(state.data, BaseException) else None
    return error is None or isinstance(error, Unreachable)


def task(
    step: Callable[P, Awaitable[R]], *, retries: int = 0, retry_delay_seconds: float = 0
) -> Callable[P, Awaitable[R]]:
    """Return the step as a Prefect task of its own name, to be called inside a flow like the step itself."""
    prefect_task: Task[[Call], Any] = prefect.task(
        name=step.__name__,
        task_run_name="{call}",
        retries=retries,
        retry_delay_seconds=retry_delay_seconds,
        retry_condition_fn=_worth_repeating,
        cache_policy=NO_CACHE,
        persist_result=False,
    )(_run)

    @wraps(step)
    async def run_as_task(*args: P.args, **kwargs: P.kwargs) -> R:
        result: R = await prefect_task(Call(step, args, dict(kwargs)))
        return result

    vars(run_as_task)["prefect_task"] = prefect_task
    return run_as_task


RETRIES: Mapping[Callable[..., Awaitable[Any]], int] = {
    recover: 2,
    load: 0,
    plan: 0,
    quote: 3,
    note_avoided: 0,
    approve: 2,
    buy: 0,
    verify: 2,
    publish: 0,
}
"""The steps of a run, each with its retries, ten seconds apart."""
_TASKS = {step: task(step, retries=retries, retry_delay_seconds=10) for step, retries in RETRIES.items()}


def as_task(step: Callable[P, Awaitable[R]], /) -> Callable[P, Awaitable[R]]:
    """Return a step of a run as its task."""
    return _TASKS[step]


publish_all_task = task(publish_all, retries=2, retry_delay_seconds=10)
compact_task = task(compact)
lake_task = task(write_lake)
reconcile_task = task(reconcile_all)
