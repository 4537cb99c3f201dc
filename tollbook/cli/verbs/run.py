"""`tollbook run`: buy what is missing or due, load it and publish, now."""

from __future__ import annotations

from typing import Annotated

import typer

from tollbook.cli import options
from tollbook.cli.output import Output


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
    from payer.values.errors import PayerError, worst
    from tasks.buy.outcome import Outcome, run_document
    from tasks.workspace.workspace import Workspace
    from tollbook.cli import errors
    from tollbook.cli.progress import watch_for
    from tollbook.cli.runs import run_flows
    from tollbook.cli.selection import Selection
    from tollbook.cli.tables.outcomes import show_outcomes
    from tollbook.cli.verbs.plan import plan_bills
    from tollbook.cli.workspace import in_workspace

    output, selection = Output(as_json=as_json), Selection(flows, everything, tokens, keys, top)
    if dry_run:
        return plan_bills(output, selection, max_cost)
    selection.check()

    async def work(ws: Workspace) -> list[Outcome | tuple[str, PayerError]]:
        _ = ws.wallet
        return await run_flows(ws, selection, "manual", max_cost, watch_for(quiet=as_json or bool(ws.settings.log)))

    ended = in_workspace(work, waits=True)
    if len(ended) == 1 and isinstance(ended[0], tuple):
        raise ended[0][1]
    output.document(run_document(ended))
    show_outcomes(output, [each for each in ended if isinstance(each, Outcome)])
    for each in ended:
        if not isinstance(each, Outcome) and not as_json:
            output.heading(f"{each[0]}: nothing bought")
            output.line(errors.text(each[1]), style="red")
    return worst([each.exit_code if isinstance(each, Outcome) else each[1].exit_code for each in ended])
