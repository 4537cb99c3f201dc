"""The one place that makes Prefect tasks of the steps: names, tags, retries, no caching, nothing persisted.

Prefect can't keep the money safe: its caches and transactions record after the fact (docs/operating.md). Repeating a
task is safe only because the payer resumes from its own ledger.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ParamSpec, TypeVar

from prefect import Task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import FlowRunContext
from prefect.exceptions import MissingContextError
from prefect.logging import get_run_logger

from payer.values.errors import Unreachable
from payer.values.purchase import Purchase
from payer.values.request import Run
from tasks.workspace.run import new_run
from tasks.workspace.workspace import Workspace

P = ParamSpec("P")
R = TypeVar("R")

LOADER = "tollbook-loader"
"""Tag of the steps that write DuckDB. A lock makes them take turns, also without a limit on the tag."""


@dataclass(frozen=True)
class Repeat:
    """How often a step is repeated. Only what could not reach a peer is worth it: a refusal would be the same again."""

    times: int
    pause: float


_REPEATS = {"recover": Repeat(2, 10), "quote": Repeat(3, 10), "approve": Repeat(2, 10), "verify": Repeat(2, 10)}
_TAGS = {"load": (LOADER,), "publish": (LOADER,)}


class Call:
    """A step with its arguments. Opaque to Prefect on purpose: it walks into lists and dataclasses, and shows what it
    finds; a purchase, a policy or a key must not be found there (I10)."""

    __slots__ = ("arguments", "label", "named", "step")

    def __init__(self, step: Callable[..., Awaitable[Any]], arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        self.step, self.arguments, self.named = step, arguments, named
        bought = next((one for one in arguments if isinstance(one, Purchase)), None)
        self.label = f"{bought.order.dataset} {bought.purchase_id}" if bought else step.__name__

    def __str__(self) -> str:
        return self.label

    def __repr__(self) -> str:
        return f"<{self.label}>"


async def _work(call: Call) -> Any:
    return await call.step(*call.arguments, **call.named)


def _worth_repeating(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    error = state.data if isinstance(state.data, BaseException) else None
    return error is None or isinstance(error, Unreachable)


def _as_task(name: str) -> Task[..., Any]:
    repeat = _REPEATS.get(name, Repeat(0, 0))
    return Task(
        _work,
        name=name,
        task_run_name="{call}",
        tags={"tollbook", *_TAGS.get(name, ())},
        retries=repeat.times,
        retry_delay_seconds=repeat.pause,
        retry_condition_fn=_worth_repeating,
        cache_policy=NO_CACHE,
        persist_result=False,
    )


_TASKS: dict[str, Task[..., Any]] = {}


async def as_task(step: Callable[P, Awaitable[R]], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Call a step as a Prefect task of the running flow: a Caller."""
    name = step.__name__
    known = _TASKS.get(name) or _TASKS.setdefault(name, _as_task(name))
    result: R = await known(Call(step, args, dict(kwargs)))
    return result


@dataclass(frozen=True)
class FlowRun:
    """What a run of tollbook takes from its Prefect run. `scheduled_for` is real time, without a sandbox's offset."""

    flow_run_id: str | None
    deployment: str | None
    scheduled_for: datetime | None
    by_schedule: bool


def flow_run() -> FlowRun:
    """The running Prefect flow run; empty outside of one."""
    try:
        found = FlowRunContext.get()
    except MissingContextError:
        found = None
    if found is None or found.flow_run is None:
        return FlowRun(None, None, None, False)
    run = found.flow_run
    return FlowRun(
        flow_run_id=str(run.id),
        deployment=str(run.deployment_id) if run.deployment_id else None,
        scheduled_for=run.expected_start_time,
        by_schedule=bool(run.auto_scheduled),
    )


def prefect_run(ws: Workspace, flow: str, reason: str, *, budget: int | None = None) -> tuple[Run, datetime]:
    """The run to book purchases under, and the scheduled time that editions come from (never now())."""
    outer = flow_run()
    at = ws.clock.now()
    if outer.scheduled_for is not None:
        at = min(at, outer.scheduled_for + timedelta(seconds=ws.settings.clock_offset))
    run = new_run(
        flow,
        "schedule" if outer.by_schedule else reason,
        ws.clock.now(),
        budget=budget,
        deployment=outer.deployment,
        flow_run_id=outer.flow_run_id,
    )
    return run, at


def logger() -> Any:
    """Prefect's logger of the running flow."""
    return get_run_logger()
