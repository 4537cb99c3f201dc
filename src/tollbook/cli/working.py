"""What several verbs do: open the workspace, run flows one after the other, sum up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from tollbook.cli.failure import BadUsage
from tollbook.payer.errors import PayerError

if TYPE_CHECKING:
    from tollbook.tasks.asking import Ask
    from tollbook.tasks.outcome import Outcome
    from tollbook.tasks.watch import Watch
    from tollbook.tasks.workspace import Workspace

T = TypeVar("T")


def in_workspace(body: Callable[[Workspace], Awaitable[T]]) -> T:
    """Run a coroutine over a workspace opened from the environment, and close it whatever happens."""
    from tollbook.tasks.workspace import Workspace

    async def inside() -> T:
        async with Workspace.open() as ws:
            return await body(ws)

    return asyncio.run(inside())


def names_of(flows: Sequence[str] | None, *, everything: bool) -> list[str]:
    """The flows named, or every dataset there is."""
    from tollbook.tasks.asks import all_names

    if everything and flows:
        raise BadUsage("--all and names of flows were both given", advice="give one of them")
    if everything:
        return all_names()
    if not flows:
        raise BadUsage(
            "no flow is named", advice="name one: grades, signals, moonshots, a table or a dataset; or --all"
        )
    return list(dict.fromkeys(flows))


async def asks_of(ws: Workspace, names: Sequence[str], tokens: str | None, reason: str) -> list[Ask]:
    """All asks before anything is bought, so that a misspelt last name costs nothing."""
    from tollbook.tasks.asks import ask_fresh
    from tollbook.tasks.tokens import resolve_tokens

    keys = await resolve_tokens(ws, tokens) if tokens is not None else None
    at = ws.clock.now()
    return [ask_fresh(ws, name, reason=reason, at=at, keys=keys) for name in names]


async def ingest_each(
    ws: Workspace, asks: Sequence[Ask], budget: int | None, watch: Watch
) -> list[Outcome | tuple[str, PayerError]]:
    """One flow after the other; what one of them can't do is reported and the next still runs. The budget is shared."""
    from tollbook.flows.ingest import ingest
    from tollbook.tasks.running import new_run

    ended: list[Outcome | tuple[str, PayerError]] = []
    left = budget
    for ask in asks:
        run = new_run(ask.flow, ask.reason, ws.clock.now(), budget=left)
        try:
            outcome = await ingest(ws, ask, run, watch=watch)
        except PayerError as error:
            ended.append((ask.flow, error))
            continue
        finally:
            watch.ended()
        ended.append(outcome)
        left = None if left is None else left - outcome.atoms
    return ended


async def range_ask(ws: Workspace, name: str, first: str | None, last: str | None, tokens: str | None) -> Ask:
    """What a backfill asks for, checked before anybody is asked for terms."""
    from tollbook.tasks.asks import ask_range, parse_range, with_history
    from tollbook.tasks.tokens import resolve_tokens

    start, end = parse_range(first, last)
    with_history(name)
    keys = await resolve_tokens(ws, tokens) if tokens is not None else None
    return ask_range(ws, name, start, end, at=ws.clock.now(), keys=keys)
