"""`tollbook plan`: what would be bought and the exact bill. Signs nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tollbook.cli import options
from tollbook.cli.answer import Answer


def plan(
    flows: options.Flows = None,
    everything: Annotated[bool, typer.Option("--all", help="Every dataset there is.")] = False,
    tokens: options.Tokens = None,
    month: Annotated[
        bool, typer.Option("--month", help="What the next 30 days would cost at the schedules of prefect.yaml.")
    ] = False,
    schedules: Annotated[
        Path, typer.Option("--schedules", metavar="FILE", help="Where --month reads schedules.")
    ] = Path("prefect.yaml"),
    as_json: options.Json = False,
) -> int:
    """Show what would be bought now, and the exact bill. Signs nothing, needs no key."""
    from tollbook.cli.render import bills as show
    from tollbook.cli.working import asks_of, in_workspace, names_of
    from tollbook.tasks.bill import Bill, plan_document
    from tollbook.tasks.plan import priced
    from tollbook.tasks.workspace import Workspace

    answer = Answer(as_json=as_json)
    if month:
        from tollbook.cli.forecast import show_forecast

        show_forecast(answer, schedules, flows, tokens)
        return 0

    async def price(ws: Workspace) -> list[Bill]:
        asks = await asks_of(ws, names_of(flows, everything=everything), tokens, "plan")
        return [await priced(ws, ask) for ask in asks]

    found = in_workspace(price)
    answer.document(plan_document(found))
    show(answer, found)
    return 0
