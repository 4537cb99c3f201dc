"""`tollbook run`: one ingestion run, now."""

from __future__ import annotations

from typing import Annotated

import typer

from tollbook.cli import options
from tollbook.cli.answer import Answer


def run(
    flows: options.Flows = None,
    everything: Annotated[bool, typer.Option("--all", help="Every dataset there is.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Stop at the bill: the same as `plan`.")] = False,
    max_cost: options.MaxCost = None,
    tokens: options.Tokens = None,
    keys: options.Keys = None,
    as_json: options.Json = False,
) -> int:
    """Buy what is missing or due, load it and publish. Run again at any time: nothing is bought twice."""
    from payer.values.errors import PayerError, worst
    from tasks.buy.outcome import Outcome, run_document
    from tasks.workspace.workspace import Workspace
    from tollbook.cli import failure, render
    from tollbook.cli.progress import watch_for
    from tollbook.cli.verbs.plan import show_bills
    from tollbook.cli.working import Chosen, in_workspace, ingest_each

    if dry_run:
        return show_bills(Answer(as_json=as_json), flows, everything, tokens, keys, max_cost)
    answer, chosen = Answer(as_json=as_json), Chosen(flows, everything, tokens, keys)
    chosen.check()

    async def work(ws: Workspace) -> list[Outcome | tuple[str, PayerError]]:
        _ = ws.wallet
        return await ingest_each(ws, chosen, "manual", max_cost, watch_for(quiet=as_json))

    ended = in_workspace(work)
    if len(ended) == 1 and isinstance(ended[0], tuple):
        raise ended[0][1]
    answer.document(run_document(ended))
    render.outcomes(answer, [each for each in ended if isinstance(each, Outcome)])
    for each in ended:
        if not isinstance(each, Outcome) and not as_json:
            answer.heading(f"{each[0]}: nothing bought")
            answer.line(failure.text(each[1]), style="red")
    return worst([each.exit_code if isinstance(each, Outcome) else each[1].exit_code for each in ended])
