"""`tollbook plan` and `tollbook run`: show the bill of what is missing or due, or buy it, load it and publish."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tollbook.cli import options
from tollbook.cli.terminal.output import Output, Spinner

if TYPE_CHECKING:
    from tasks.buy.bill import Bill
    from tasks.ops.forecast import Forecast
    from tasks.workspace.workspace import Workspace
    from tollbook.cli.runs import Selection


def plan(
    flows: options.Flows = None,
    everything: Annotated[bool, typer.Option("--all", help="Every dataset there is.")] = False,
    tokens: options.Tokens = None,
    keys: options.Keys = None,
    top: options.Top = False,
    month: Annotated[
        bool, typer.Option("--month", help="What the next 30 days would cost at the schedules of prefect.yaml.")
    ] = False,
    schedules: Annotated[
        Path | None,
        typer.Option(
            "--schedules",
            metavar="FILE",
            help="Where --month reads schedules; by default prefect.yaml here, or the one that ships with tollbook.",
        ),
    ] = None,
    as_json: options.Json = False,
) -> int:
    """Show what would be bought now, and the exact bill. Signs nothing, needs no key."""
    output = Output(as_json=as_json)
    with Spinner().saying("opening the ledger") as spinner:
        from tollbook.cli.runs import Selection, one_list

        if month:
            return _plan_month(output, schedules, flows, one_list(tokens), spinner)
        return plan_bills(output, Selection(flows, everything, tokens, keys, top), None, spinner)


def plan_bills(output: Output, selection: Selection, max_cost: str | None, spinner: Spinner) -> int:
    """Show the bills of a selection, and return the exit code of a run that they would refuse; until then the
    `spinner` says what is done."""
    from payer.values.errors import worst
    from tasks.buy.bill import plan_document
    from tollbook.cli.runs import plan_flows
    from tollbook.cli.tables.bills import show_bills
    from tollbook.cli.workspace import in_workspace

    async def work(ws: Workspace) -> tuple[list[Bill], str]:
        bills = await plan_flows(ws, selection, max_cost, spinner)
        return bills, "" if selection.tokens else await _unlisted(ws, {bill.seller for bill in bills})

    selection.check()
    bills, unlisted = in_workspace(work)
    spinner.end()
    if unlisted and bills:
        bills = [*bills[:-1], replace(bills[-1], notes=(*bills[-1].notes, unlisted))]
    output.document(plan_document(bills))
    show_bills(output, bills)
    return worst([problem.exit_code for bill in bills for problem in bill.problems])


async def _unlisted(ws: Workspace, sellers: set[str]) -> str:
    """Name ids of the watch list that the free catalogue lacks; nothing where it can't be read."""
    from payer.values.errors import PayerError
    from tasks.reference.catalogue import CATALOGUED, FIX, unlisted_text, unlisted_tokens

    if CATALOGUED not in sellers:
        return ""
    try:
        text = unlisted_text(await unlisted_tokens(ws))
    except PayerError:
        return ""
    return f"{text}; {FIX}" if text else ""


def _plan_month(
    output: Output, path: Path | None, flows: list[str] | None, tokens: str | None, spinner: Spinner
) -> int:
    from tasks.buy.publish import load
    from tasks.ops.forecast import DAYS, forecast
    from tasks.request.schedules import read_schedules
    from tollbook.cli.tables.bills import show_forecast
    from tollbook.cli.workspace import in_workspace
    from tollbook.templates import own_or_shipped

    path = path or own_or_shipped("prefect.yaml")
    schedules = read_schedules(path)

    async def work(ws: Workspace) -> list[Forecast]:
        await load(ws)
        return await forecast(ws, schedules, flows=flows, tokens=tokens)

    spinner("playing the coming runs through")
    forecasts = in_workspace(work)
    spinner.end()
    output.document({"days": DAYS, "flows": [each.document() for each in forecasts]})
    show_forecast(output, forecasts, path.name)
    return 0


def run(
    flows: options.Flows = None,
    everything: Annotated[bool, typer.Option("--all", help="Every dataset there is.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Stop at the bill: the same as `plan`.")] = False,
    max_cost: options.MaxCost = None,
    tokens: options.Tokens = None,
    keys: options.Keys = None,
    top: options.Top = False,
    as_json: options.Json = False,
) -> int:
    """Buy what is missing or due, load it and publish. Run again at any time: nothing is bought twice."""
    output = Output(as_json=as_json)
    with Spinner().saying("opening the ledger") as spinner:
        from tollbook.cli.runs import Selection

        selection = Selection(flows, everything, tokens, keys, top)
        if dry_run:
            return plan_bills(output, selection, max_cost, spinner)
        return _run(output, selection, max_cost, spinner)


def _run(output: Output, selection: Selection, max_cost: str | None, spinner: Spinner) -> int:
    from payer.values.errors import PayerError, worst
    from tasks.buy.outcome import Outcome, run_document
    from tollbook.cli import errors
    from tollbook.cli.runs import run_flows
    from tollbook.cli.tables.outcomes import show_outcomes
    from tollbook.cli.terminal.progress import stage_of, watch_for
    from tollbook.cli.workspace import in_workspace

    selection.check()

    async def work(ws: Workspace) -> list[Outcome | tuple[str, PayerError]]:
        _ = ws.wallet
        spinner.end()
        watch = watch_for(quiet=output.as_json or bool(ws.settings.log))
        stage_of(watch)("planning")
        return await run_flows(ws, selection, "manual", max_cost, watch)

    ended = in_workspace(work, waits=True)
    if len(ended) == 1 and isinstance(ended[0], tuple):
        raise ended[0][1]
    output.document(run_document(ended))
    show_outcomes(output, [each for each in ended if isinstance(each, Outcome)])
    for each in ended:
        if not isinstance(each, Outcome) and not output.as_json:
            output.heading(f"{each[0]}: nothing bought")
            output.line(errors.text(each[1]), style="red", hang=4)
    return worst([each.exit_code if isinstance(each, Outcome) else each[1].exit_code for each in ended])
