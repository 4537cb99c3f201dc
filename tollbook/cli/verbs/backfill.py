"""`tollbook backfill`: plan a past range, show the bill, ask, and buy what is missing; resumable at any point."""

from __future__ import annotations

from typing import Annotated

import typer

from tollbook.cli import options
from tollbook.cli.terminal.output import Output, Spinner


def backfill(
    datasets: Annotated[
        list[str], typer.Argument(metavar="DATASET", help="Datasets, tables or flows that have a history.")
    ],
    first: options.First = None,
    last: options.Last = None,
    tokens: options.Tokens = None,
    keys: options.Keys = None,
    top: options.Top = False,
    max_cost: options.MaxCost = None,
    again: Annotated[
        bool, typer.Option("--again", help="Buy all of the range once more: what is held, confirmed empty, or failed.")
    ] = False,
    yes: options.Yes = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Stop at the bill.")] = False,
    as_json: options.Json = False,
) -> int:
    """Buy what is missing of a past range: bill first, then oldest first. Started again, it buys the rest."""
    output = Output(as_json=as_json)
    with Spinner().saying("opening the ledger") as spinner:
        from flows.ingest import ingest
        from payer.values.errors import worst
        from tasks.buy.bill import Bill, plan_document
        from tasks.buy.outcome import Outcome, run_document
        from tasks.buy.plan import current_bill
        from tasks.reference.catalogue import backfill_request
        from tasks.request.build import budget_of
        from tasks.workspace.run import new_run
        from tasks.workspace.workspace import Workspace
        from tollbook.cli.approval import Approval
        from tollbook.cli.selection import one_list
        from tollbook.cli.tables.bills import show_bills
        from tollbook.cli.tables.outcomes import show_outcome
        from tollbook.cli.terminal.progress import stage_of, watch_for, with_stages
        from tollbook.cli.workspace import in_workspace

        async def work(ws: Workspace) -> Bill | Outcome:
            spinner("planning, and asking for prices")
            listed = one_list(tokens)
            request = await backfill_request(ws, datasets, first, last, listed, keys or (), top=top, again=again)
            budget = budget_of(ws, datasets, max_cost)
            if dry_run:
                return await current_bill(ws, request, budget)
            _ = ws.wallet
            spinner.end()
            approval, watch = Approval(output, budget, yes=yes), watch_for(quiet=as_json or bool(ws.settings.log))
            run = new_run(request.flow, request.reason, ws.clock.now(), budget=budget)
            try:
                step = with_stages(stage_of(watch))
                return await ingest(ws, request, run, watch=watch, approve_bill=approval, step=step)
            finally:
                watch.ended()

        done = in_workspace(work, waits=True)
        spinner.end()
        if isinstance(done, Bill):
            output.document(plan_document([done]))
            show_bills(output, [done])
            return worst([problem.exit_code for problem in done.problems])
        output.document(run_document([done]))
        show_outcome(output, done)
        return done.exit_code
