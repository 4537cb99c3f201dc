"""Run a verb's work over a workspace opened from the environment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tasks.workspace.workspace import Workspace

T = TypeVar("T")


def in_workspace(work: Callable[[Workspace], Awaitable[T]]) -> T:
    """Run a coroutine over a workspace opened from the environment, and close the workspace whatever happens."""

    async def opened() -> T:
        async with Workspace.open() as ws:
            return await work(ws)

    return asyncio.run(opened())
