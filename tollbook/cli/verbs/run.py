"""`tollbook run`: buy what is missing or due, load it and publish, now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tollbook.cli import options
from tollbook.cli.terminal.output import Output
from tollbook.cli.terminal.spinner import Spinner

if TYPE_CHECKING:
    from tollbook.cli.runs import Selection


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
        from tollbook.cli.verbs.plan import plan_bills

        selection = Selection(flows, everything, tokens, keys, top)
        if dry_run:
            return plan_bills(output, selection, max_cost, spinner)
        return _run(output, selection, max_cost, spinner)


def _run(output: Output, selection: Selection, max_cost: str | None, spinner: Spinner) -> int:
    from payer.values.errors import PayerError, worst
    from tasks.buy.outcome import Outcome, run_document
    from tasks.workspace.workspace import Workspace
    from tollbook.cli import errors
    from tollbook.cli.runs import run_flows
    from tollbook.cli.tables.outcomes import show_outcomes
    from tollbook.cli.terminal.progress import say, watch_for
    from tollbook.cli.workspace import in_workspace

    selection.check()

    async def work(ws: Workspace) -> list[Outcome | tuple[str, PayerError]]:
        _ = ws.wallet
        spinner.end()
        watch = watch_for(quiet=output.as_json or bool(ws.settings.log))
        say(watch, "planning")
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
