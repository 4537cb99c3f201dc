"""What several verbs do: open the workspace, run flows one after the other, sum up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from payer.values.errors import PayerError
from tasks.workspace.cache_trouble import as_payer_errors
from tollbook.cli.failure import BadUsage

if TYPE_CHECKING:
    from tasks.buy.bill import Bill
    from tasks.buy.outcome import Outcome
    from tasks.buy.watch import Watch
    from tasks.request.model import DataRequest
    from tasks.workspace.workspace import Workspace

T = TypeVar("T")


def in_workspace(body: Callable[[Workspace], Awaitable[T]]) -> T:
    """Run a coroutine over a workspace opened from the environment, and close it whatever happens."""
    from tasks.workspace.workspace import Workspace

    async def inside() -> T:
        async with Workspace.open() as ws:
            return await body(ws)

    return asyncio.run(inside())


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a command line names: flows, tables and datasets, or everything; and which keys of them."""

    flows: Sequence[str] | None
    everything: bool = False
    tokens: str | None = None
    keys: Sequence[str] | None = None

    def check(self) -> None:
        """Raises before anything is opened: nothing named, both named, a name that doesn't exist, keys of nothing."""
        from tasks.request.keys import check_named
        from tasks.request.names import datasets_of

        if self.everything and self.flows:
            raise BadUsage("--all and names of flows were both given", advice="give one of them")
        if not self.everything and not self.flows:
            advice = "name one: grades, signals, moonshots, a table or a dataset; or --all"
            raise BadUsage("no flow is named", advice=advice)
        if self.everything and self.keys:
            advice = "name what they are for, or list each dataset's under `watch` in the policy file"
            raise BadUsage("--keys with --all could be of any dataset", advice=advice)
        if self.flows:
            check_named(datasets_of(self.flows), self.tokens, self.keys or ())

    def names(self, ws: Workspace) -> tuple[list[str], list[str]]:
        """The flows in order, and a note on what of everything is left out."""
        from tasks.request.names import all_names

        if not self.everything:
            return list(dict.fromkeys(self.flows or ())), []
        names, left = all_names(ws)
        where = "`watch` in the policy file names keys"
        return names, [f"left out, sold by keys that nobody named ({where}): {', '.join(left)}"] if left else []


async def bills_of(ws: Workspace, chosen: Chosen, max_cost: str | None = None) -> list[Bill]:
    """One bill per flow named, each beside those before it. Of everything, what can't be asked yet (its keys are not
    known) becomes a note."""
    from tasks.buy.quote import current_bill
    from tasks.buy.refresh_reference import resolve_keys
    from tasks.request.build import budget_of, request_fresh
    from tasks.request.model import BadRequest

    keys = await resolve_keys(ws, chosen.tokens, chosen.keys or ())
    names, notes = chosen.names(ws)
    found: list[Bill] = []
    left = budget_of(ws, names, max_cost)
    for name in names:
        try:
            request = request_fresh(ws, name, reason="plan", at=ws.clock.now(), keys=keys)
        except BadRequest as error:
            if not chosen.everything:
                raise
            notes.append(f"{error.what}: {error.fix}")
            continue
        asset = ws.asset(request.seller)
        beside = sum(bill.amount_atomic for bill in found if bill.asset == asset and bill.refusal is None)
        found.append(await current_bill(ws, request, None if left is None else left - beside, beside))
    return [*found[:-1], replace(found[-1], notes=(*found[-1].notes, *notes))] if found else []


async def ingest_each(
    ws: Workspace, chosen: Chosen, reason: str, max_cost: str | None, watch: Watch
) -> list[Outcome | tuple[str, PayerError]]:
    """One flow after the other; what one of them can't do is reported and the next still runs. The budget is shared,
    and so is the publication: one, at the end."""
    from flows.ingest import ingest
    from tasks.buy.refresh_reference import resolve_keys
    from tasks.buy.steps import PLAIN, publish_later
    from tasks.request.build import budget_of, request_fresh
    from tasks.workspace.run import new_run

    keys = await resolve_keys(ws, chosen.tokens, chosen.keys or ())
    names, notes = chosen.names(ws)
    left = budget_of(ws, names, max_cost)
    ended: list[Outcome | tuple[str, PayerError]] = []
    for name in names:
        steps = PLAIN if _published_at_once(name, names) else replace(PLAIN, publish=publish_later)
        try:
            request = request_fresh(ws, name, reason=reason, at=ws.clock.now(), keys=keys)
            run = new_run(request.flow, reason, ws.clock.now(), budget=left)
            with as_payer_errors():
                outcome = await ingest(ws, request, run, watch=watch, steps=steps)
        except PayerError as error:
            ended.append((name, error))
            continue
        finally:
            watch.ended()
        ended.append(outcome)
        left = None if left is None else left - outcome.amount_atomic - outcome.in_doubt
    return await _made_known(ws, ended, notes)


def _published_at_once(name: str, names: Sequence[str]) -> bool:
    """The last, which brings what the others loaded along; and before it what lists the keys of others."""
    from tasks.request.keys import KEY_TABLES

    return name == names[-1] or name in {table for table, _ in KEY_TABLES.values()}


async def _made_known(
    ws: Workspace, ended: list[Outcome | tuple[str, PayerError]], notes: Sequence[str]
) -> list[Outcome | tuple[str, PayerError]]:
    """The same ends: the last that went well says what the command left out, and is published whatever came after."""
    from tasks.buy.outcome import Outcome

    for at, each in reversed(list(enumerate(ended))):
        if isinstance(each, Outcome):
            ended[at] = await _published(ws, replace(each, notes=(*each.notes, *notes)))
            break
    return ended


async def _published(ws: Workspace, done: Outcome) -> Outcome:
    """What is in the way of it is a problem of the flow, which keeps its figures: money may have moved."""
    from tasks.buy.load import publish

    if done.published:
        return done
    try:
        with as_payer_errors():
            return replace(done, published=await publish(ws))
    except PayerError as error:
        known = {problem.what for problem in done.problems}
        return done if error.what in known else replace(done, problems=(*done.problems, error))


async def range_request(
    ws: Workspace,
    names: Sequence[str],
    first: str | None,
    last: str | None,
    tokens: str | None,
    keys: Sequence[str] | None,
) -> DataRequest:
    """What a backfill asks for, checked before anybody is asked for terms."""
    from tasks.buy.refresh_reference import resolve_keys
    from tasks.request.build import parse_range, request_range
    from tasks.request.keys import check_named
    from tasks.request.names import datasets_of, with_history

    start, end = parse_range(first, last)
    for name in names:
        with_history(name)
    check_named(datasets_of(names), tokens, keys or ())
    chosen = await resolve_keys(ws, tokens, keys or ())
    return request_range(ws, names, start, end, at=ws.clock.now(), keys=chosen)
