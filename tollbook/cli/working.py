"""What several verbs do: open the workspace, run flows one after the other, sum up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ParamSpec, TypeVar, cast

from payer.values.errors import PayerError
from tasks.workspace.cache_trouble import in_plain_words
from tollbook.cli.failure import BadUsage

if TYPE_CHECKING:
    from tasks.buy.bill import Bill
    from tasks.buy.outcome import Outcome
    from tasks.request.requests import Ask
    from tasks.workspace.watch import Watch
    from tasks.workspace.workspace import Workspace

P = ParamSpec("P")
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
        from tasks.request.build import datasets_of
        from tasks.request.keys import check_named

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
        from tasks.request.build import all_names

        if not self.everything:
            return list(dict.fromkeys(self.flows or ())), []
        names, left = all_names(ws)
        where = "`watch` in the policy file names keys"
        return names, [f"left out, sold by keys that nobody named ({where}): {', '.join(left)}"] if left else []


async def bills_of(ws: Workspace, chosen: Chosen, max_cost: str | None = None) -> list[Bill]:
    """One bill per flow named, each beside those before it. Of everything, what can't be asked yet (its keys are not
    known) becomes a note."""
    from tasks.buy.plan import priced
    from tasks.request.build import ask_fresh, budget_of
    from tasks.request.requests import BadRequest
    from tasks.request.tokens import keys_named

    keys = await keys_named(ws, chosen.tokens, chosen.keys or ())
    names, notes = chosen.names(ws)
    found: list[Bill] = []
    left = budget_of(ws, names, max_cost)
    for name in names:
        try:
            ask = ask_fresh(ws, name, reason="plan", at=ws.clock.now(), keys=keys)
        except BadRequest as error:
            if not chosen.everything:
                raise
            notes.append(f"{error.what}: {error.fix}")
            continue
        asset = ws.asset(ask.seller)
        beside = sum(bill.atoms for bill in found if bill.asset == asset and bill.refusal is None)
        found.append(await priced(ws, ask, None if left is None else left - beside, beside))
    return [*found[:-1], replace(found[-1], notes=(*found[-1].notes, *notes))] if found else []


async def ingest_each(
    ws: Workspace, chosen: Chosen, reason: str, max_cost: str | None, watch: Watch
) -> list[Outcome | tuple[str, PayerError]]:
    """One flow after the other; what one of them can't do is reported and the next still runs. The budget is shared,
    and so is the publication: one, at the end."""
    from flows.ingest import ingest
    from tasks.request.build import ask_fresh, budget_of
    from tasks.request.tokens import keys_named
    from tasks.workspace.run import new_run
    from tasks.workspace.step import at_once

    keys = await keys_named(ws, chosen.tokens, chosen.keys or ())
    names, notes = chosen.names(ws)
    left = budget_of(ws, names, max_cost)
    ended: list[Outcome | tuple[str, PayerError]] = []
    for name in names:
        call = at_once if _published_at_once(name, names) else _all_but_publishing
        try:
            ask = ask_fresh(ws, name, reason=reason, at=ws.clock.now(), keys=keys)
            run = new_run(ask.flow, reason, ws.clock.now(), budget=left)
            with in_plain_words():
                outcome = await ingest(ws, ask, run, watch=watch, call=call)
        except PayerError as error:
            ended.append((name, error))
            continue
        finally:
            watch.ended()
        ended.append(outcome)
        left = None if left is None else left - outcome.atoms - outcome.in_doubt
    return await _made_known(ws, ended, notes)


def _published_at_once(name: str, names: Sequence[str]) -> bool:
    """The last, which brings what the others loaded along; and before it what lists the keys of others."""
    from tasks.request.keys import KEY_TABLES

    return name == names[-1] or name in {table for table, _ in KEY_TABLES.values()}


async def _all_but_publishing(step: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Calls a step; a publication is left to a later flow of the same command, or to its end."""
    from tasks.buy.load import publish
    from tasks.workspace.step import at_once

    if step is publish:
        return cast("T", None)
    return await at_once(step, *args, **kwargs)


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
        with in_plain_words():
            return replace(done, published=await publish(ws))
    except PayerError as error:
        known = {problem.what for problem in done.problems}
        return done if error.what in known else replace(done, problems=(*done.problems, error))


async def range_ask(
    ws: Workspace,
    names: Sequence[str],
    first: str | None,
    last: str | None,
    tokens: str | None,
    keys: Sequence[str] | None,
) -> Ask:
    """What a backfill asks for, checked before anybody is asked for terms."""
    from tasks.request.build import ask_range, datasets_of, parse_range, with_history
    from tasks.request.keys import check_named
    from tasks.request.tokens import keys_named

    start, end = parse_range(first, last)
    for name in names:
        with_history(name)
    check_named(datasets_of(names), tokens, keys or ())
    chosen = await keys_named(ws, tokens, keys or ())
    return ask_range(ws, names, start, end, at=ws.clock.now(), keys=chosen)
