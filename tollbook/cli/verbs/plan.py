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
    keys: options.Keys = None,
    month: Annotated[
        bool, typer.Option("--month", help="What the next 30 days would cost at the schedules of prefect.yaml.")
    ] = False,
    schedules: Annotated[
        Path | None,
        typer.Option(
            "--schedules",
            metavar="FILE",
            help="Where --month reads schedules.",
            show_default="prefect.yaml, or as shipped",
        ),
    ] = None,
    as_json: options.Json = False,
) -> int:
    """Show what would be bought now, and the exact bill. Signs nothing, needs no key."""
    answer = Answer(as_json=as_json)
    if month:
        from tollbook.cli.forecast import show_forecast

        show_forecast(answer, schedules or _schedules(), flows, tokens)
        return 0
    return show_bills(answer, flows, everything, tokens, keys)


def _schedules() -> Path:
    """prefect.yaml of the working directory; where there is none, the one that ships with tollbook."""
    from tollbook.templates import template

    here = Path("prefect.yaml")
    return here if here.exists() else template(here.name)


def show_bills(
    answer: Answer,
    flows: list[str] | None,
    everything: bool,
    tokens: str | None,
    keys: list[str] | None,
    max_cost: str | None = None,
) -> int:
    """The bills of what is named, with what stands in their way; the exit code is that of a run refused for it."""
    from payer.values.errors import worst
    from tasks.buy.bill import plan_document
    from tollbook.cli.render import bills as show
    from tollbook.cli.working import Chosen, bills_of, in_workspace

    chosen = Chosen(flows, everything, tokens, keys)
    chosen.check()
    found = in_workspace(lambda ws: bills_of(ws, chosen, max_cost))
    answer.document(plan_document(found))
    show(answer, found)
    return worst([problem.exit_code for bill in found for problem in bill.problems])
