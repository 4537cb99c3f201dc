"""How a step is called: at once, or as a Prefect task (prefect_steps). The step functions are the same."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Caller(Protocol):
    """Calls a step with its arguments and gives its result back."""

    async def __call__(self, step: Callable[P, Awaitable[R]], /, *args: P.args, **kwargs: P.kwargs) -> R: ...


async def at_once(step: Callable[P, Awaitable[R]], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Without Prefect: importing it costs more than most runs."""
    return await step(*args, **kwargs)
