"""What several verbs do: open the workspace, run flows one after the other, sum up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from tollbook.cli.failure import BadUsage
from tollbook.payer.errors import PayerError

if TYPE_CHECKING:
    from tollbook.tasks.asking import Ask, Keys
    from tollbook.tasks.bill import Bill
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


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a command line names: flows, tables and datasets, or everything; and which keys of them."""

    flows: Sequence[str] | None
    everything: bool = False
    tokens: str | None = None
    keys: str | None = None

    def check(self) -> None:
        """Raises before anything is opened: nothing named, both named, or a name that doesn't exist."""
        from tollbook.tasks.asks import named

        if self.everything and self.flows:
            raise BadUsage("--all and names of flows were both given", advice="give one of them")
        if not self.everything and not self.flows:
            advice = "name one: grades, signals, moonshots, a table or a dataset; or --all"
            raise BadUsage("no flow is named", advice=advice)
        for name in self.flows or ():
            named(name)

    def names(self, ws: Workspace, keys: Keys) -> list[str]:
        """The flows in order. Of everything, what is sold by a key that nobody named is left out."""
        from tollbook.tasks.asks import all_names

        return all_names(ws, keys) if self.everything else list(dict.fromkeys(self.flows or ()))


async def bills_of(ws: Workspace, chosen: Chosen, max_cost: str | None = None) -> list[Bill]:
    """One bill per flow named, each beside those before it. Of everything, what can't be asked yet (its keys are not
    known) becomes a note."""
    from tollbook.tasks.asks import BadRequest, ask_fresh, budget_of
    from tollbook.tasks.plan import priced
    from tollbook.tasks.tokens import keys_named

    keys = await keys_named(ws, chosen.tokens, chosen.keys)
    found: list[Bill] = []
    notes = []
    names = chosen.names(ws, keys)
    left = budget_of(ws, names, max_cost)
    for name in names:
        try:
            ask = ask_fresh(ws, name, reason="plan", at=ws.clock.now(), keys=keys)
        except BadRequest as error:
            if not chosen.everything:
                raise
            notes.append(error.what)
            continue
        asset = ws.asset(ask.seller)
        beside = sum(bill.atoms for bill in found if bill.asset == asset and bill.refusal is None)
        found.append(await priced(ws, ask, None if left is None else left - beside, beside))
    return [*found[:-1], replace(found[-1], notes=(*found[-1].notes, *notes))] if found else []


async def ingest_each(
    ws: Workspace, chosen: Chosen, reason: str, max_cost: str | None, watch: Watch
) -> list[Outcome | tuple[str, PayerError]]:
    """One flow after the other; what one of them can't do is reported and the next still runs. The budget is shared."""
    from tollbook.flows.ingest import ingest
    from tollbook.tasks.asks import ask_fresh, budget_of
    from tollbook.tasks.running import new_run
    from tollbook.tasks.tokens import keys_named

    keys = await keys_named(ws, chosen.tokens, chosen.keys)
    names = chosen.names(ws, keys)
    left = budget_of(ws, names, max_cost)
    ended: list[Outcome | tuple[str, PayerError]] = []
    for name in names:
        try:
            ask = ask_fresh(ws, name, reason=reason, at=ws.clock.now(), keys=keys)
            outcome = await ingest(ws, ask, new_run(ask.flow, reason, ws.clock.now(), budget=left), watch=watch)
        except PayerError as error:
            ended.append((name, error))
            continue
        finally:
            watch.ended()
        ended.append(outcome)
        left = None if left is None else left - outcome.atoms - outcome.in_doubt
    return ended


async def range_ask(
    ws: Workspace, name: str, first: str | None, last: str | None, tokens: str | None, keys: str | None
) -> Ask:
    """What a backfill asks for, checked before anybody is asked for terms."""
    from tollbook.tasks.asks import ask_range, parse_range, with_history
    from tollbook.tasks.tokens import keys_named

    start, end = parse_range(first, last)
    with_history(name)
    chosen = await keys_named(ws, tokens, keys)
    return ask_range(ws, name, start, end, at=ws.clock.now(), keys=chosen)
