"""`tollbook plan`: show the bill of what is missing or due, or that of the coming month."""

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
    from tollbook.cli.selection import Selection
    from tollbook.cli.terminal.progress import Stage


def plan(
    flows: options.Flows = None,
    everything: options.Everything = False,
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
        from tollbook.cli.selection import Selection, one_list

        if month:
            return _plan_month(output, schedules, flows, one_list(tokens), spinner)
        return show_plan(output, Selection(flows, everything, tokens, keys, top), None, spinner)


def show_plan(output: Output, selection: Selection, max_cost: str | None, spinner: Spinner) -> int:
    """Show the bills of a selection, and return the exit code of a run that they would refuse; until then the
    `spinner` says what is done."""
    from payer.values.errors import worst
    from tasks.buy.bill import plan_document
    from tollbook.cli.tables.bills import show_bills
    from tollbook.cli.workspace import in_workspace

    async def work(ws: Workspace) -> list[Bill]:
        bills = await plan_flows(ws, selection, max_cost, spinner)
        unlisted = "" if selection.tokens else await _unlisted(ws, {bill.seller for bill in bills})
        return _noted(bills, [unlisted] if unlisted else [])

    selection.check()
    bills = in_workspace(work)
    spinner.end()
    output.document(plan_document(bills))
    show_bills(output, bills)
    return worst([problem.exit_code for bill in bills for problem in bill.problems])


async def plan_flows(ws: Workspace, selection: Selection, max_cost: str | None, stage: Stage) -> list[Bill]:
    """Plan one bill per selected flow, each counted beside those before it; `stage` shows which is being planned.

    With --all, a dataset whose keys are not known yet becomes a note of the last bill.
    """
    from tasks.buy.caps import Beside
    from tasks.buy.plan import current_bill
    from tasks.request.build import budget_of, request_fresh
    from tasks.request.model import BadRequest

    names, keys, notes = await selection.resolve(ws)
    bills: list[Bill] = []
    left = budget_of(ws, names, max_cost)
    for name in names:
        stage(f"{name}: planning, and asking for prices")
        try:
            request = await ws.in_thread(request_fresh, ws, name, reason="plan", at=ws.clock.now(), keys=keys)
        except BadRequest as error:
            if not selection.everything:
                raise
            notes.append(f"{error.what}: {error.fix}")
            continue
        asset = ws.asset(request.seller)
        others = [bill for bill in bills if bill.asset == asset and bill.refusal is None]
        to_seller = sum(bill.amount_atomic for bill in others if bill.seller == request.seller)
        beside = Beside(sum(bill.amount_atomic for bill in others), to_seller)
        bills.append(await current_bill(ws, request, None if left is None else left - beside.in_asset, beside))
    return _noted(bills, notes)


def _noted(bills: list[Bill], notes: list[str]) -> list[Bill]:
    """Add notes to the last bill."""
    return [*bills[:-1], replace(bills[-1], notes=(*bills[-1].notes, *notes))] if bills else []


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
