"""`tollbook run`: buy what is missing or due of several flows, with one budget and one publication."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from tollbook.cli import options
from tollbook.cli.terminal.output import Output, Spinner
from tollbook.cli.verbs.plan import show_plan

if TYPE_CHECKING:
    from payer.values.errors import PayerError
    from tasks.buy.outcome import Outcome
    from tasks.buy.watch import Watch
    from tasks.workspace.workspace import Workspace
    from tollbook.cli.selection import Selection


def run(
    flows: options.Flows = None,
    everything: options.Everything = False,
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
        from tollbook.cli.selection import Selection

        selection = Selection(flows, everything, tokens, keys, top)
        if dry_run:
            return show_plan(output, selection, max_cost, spinner)
        return _run(output, selection, max_cost, spinner)


def _run(output: Output, selection: Selection, max_cost: str | None, spinner: Spinner) -> int:
    from payer.values.errors import worst
    from tasks.buy.outcome import Outcome, run_document
    from tollbook.cli import errors
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


async def run_flows(
    ws: Workspace, selection: Selection, reason: str, max_cost: str | None, watch: Watch
) -> list[Outcome | tuple[str, PayerError]]:
    """Run the selected flows one after the other, within one budget and with one publication at the end.

    The error of a flow takes its outcome's place, and the next flow still runs, unless the stop is requested.
    """
    from flows.ingest import ingest
    from payer.values.errors import Interrupted, PayerError
    from tasks.buy.outcome import Outcome
    from tasks.request.build import budget_of, request_fresh
    from tasks.request.names import KEY_TABLES
    from tasks.workspace.cache_trouble import as_payer_errors
    from tasks.workspace.run import new_run
    from tollbook.cli.terminal.progress import stage_of, with_stages

    names, keys, notes = await selection.resolve(ws)
    left, step = budget_of(ws, names, max_cost), with_stages(stage_of(watch))
    ended: list[Outcome | tuple[str, PayerError]] = []
    for name in names:
        if ws.stop.requested:
            ended.append((name, Interrupted("the run was stopped before this flow was begun")))
            continue
        # The last flow's publication covers the others; but a table that lists keys of others has to be there for them.
        publishes = name == names[-1] or name in {table for table, _ in KEY_TABLES.values()}
        try:
            request = await ws.in_thread(request_fresh, ws, name, reason=reason, at=ws.clock.now(), keys=keys)
            run = new_run(request.flow, reason, ws.clock.now(), budget=left)
            with as_payer_errors():
                outcome = await ingest(ws, request, run, watch=watch, step=step, publishes=publishes)
        except PayerError as error:
            ended.append((name, error))
            continue
        finally:
            watch.ended()
        ended.append(outcome)
        left = None if left is None else left - outcome.amount_atomic - outcome.in_doubt
    # The last outcome gets the notes, and its rows are published if no flow did.
    for at, each in reversed(list(enumerate(ended))):
        if isinstance(each, Outcome):
            ended[at] = await _publish_outcome(ws, replace(each, notes=(*each.notes, *notes)))
            break
    return ended


async def _publish_outcome(ws: Workspace, done: Outcome) -> Outcome:
    """Publish. An error becomes a problem of the outcome, which keeps its figures: money may have moved."""
    from payer.values.errors import PayerError
    from tasks.buy.publish import publish
    from tasks.workspace.cache_trouble import as_payer_errors

    if done.published or done.left_to_publisher:
        return done
    try:
        with as_payer_errors():
            return done.with_publication(await publish(ws))
    except PayerError as error:
        known = {problem.what for problem in done.problems}
        return done if error.what in known else replace(done, problems=(*done.problems, error))
