"""Plan or run the flows that a command line names: one budget, one publication."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from flows.ingest import ingest
from payer.values.errors import Interrupted, PayerError
from tasks.buy.bill import Bill
from tasks.buy.caps import Beside
from tasks.buy.outcome import Outcome
from tasks.buy.publish import publish
from tasks.buy.quote import current_bill
from tasks.buy.watch import Watch
from tasks.reference.catalogue import resolve_keys
from tasks.request.build import budget_of, parse_range, request_fresh, request_range
from tasks.request.model import BadRequest, DataRequest
from tasks.request.names import KEY_TABLES, all_names, check_named, datasets_of, with_history
from tasks.workspace.cache_trouble import as_payer_errors
from tasks.workspace.run import new_run
from tasks.workspace.workspace import Workspace
from tollbook.cli.errors import BadUsage
from tollbook.cli.terminal.progress import Stage, no_stage, stage_of, with_stages


@dataclass(frozen=True, slots=True)
class Selection:
    """The flows, tables and datasets that a command line names, or all of them; and which keys of them."""

    flows: Sequence[str] | None
    everything: bool = False
    tokens: Sequence[str] | None = None
    keys: Sequence[str] | None = None
    top: bool = False

    def check(self) -> None:
        """Raise BadUsage or BadRequest for names that are missing, unknown or at odds, before anything is opened."""
        if self.everything and self.flows:
            raise BadUsage("--all and names of flows were both given", advice="give one of them")
        if not self.everything and not self.flows:
            advice = "name one: grades, signals, moonshots, a table or a dataset; or --all"
            raise BadUsage("no flow is named", advice=advice)
        if self.everything and self.keys:
            advice = "name what they are for, or list each dataset's under `watch` in the policy file"
            raise BadUsage("--keys with --all could be of any dataset", advice=advice)
        if self.flows:
            check_named(datasets_of(self.flows), one_list(self.tokens), self.keys or ())

    def names(self, ws: Workspace) -> tuple[list[str], list[str]]:
        """The names in order, and notes on the datasets that --all leaves out."""
        if not self.everything:
            return list(dict.fromkeys(self.flows or ())), []
        names, left = all_names(ws)
        where = "`watch` in the policy file names keys"
        return names, [f"left out, sold by keys that nobody named ({where}): {', '.join(left)}"] if left else []


def one_list(tokens: Sequence[str] | None) -> str | None:
    """Join every --tokens of a command line to one comma list; None where none was given."""
    return ",".join(tokens) if tokens else None


async def range_request(
    ws: Workspace,
    names: Sequence[str],
    first: str | None,
    last: str | None,
    tokens: Sequence[str] | None,
    keys: Sequence[str] | None,
    *,
    top: bool = False,
    again: bool = False,
) -> DataRequest:
    """Build a backfill's request. Raises BadRequest before any seller is asked for terms."""
    start, end = parse_range(first, last)
    for name in names:
        with_history(name)
    listed = one_list(tokens)
    check_named(datasets_of(names), listed, keys or ())
    named = await resolve_keys(ws, listed, keys or (), top=top)
    return await ws.in_thread(request_range, ws, names, start, end, at=ws.clock.now(), keys=named, again=again)


async def plan_flows(
    ws: Workspace, selection: Selection, max_cost: str | None = None, stage: Stage = no_stage
) -> list[Bill]:
    """Plan one bill per selected flow, each counted beside those before it; `stage` shows which is being planned.

    With --all, a dataset whose keys are not known yet becomes a note of the last bill.
    """
    keys = await resolve_keys(ws, one_list(selection.tokens), selection.keys or (), top=selection.top)
    names, notes = await ws.in_thread(selection.names, ws)
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
    return [*bills[:-1], replace(bills[-1], notes=(*bills[-1].notes, *notes))] if bills else []


async def run_flows(
    ws: Workspace, selection: Selection, reason: str, max_cost: str | None, watch: Watch
) -> list[Outcome | tuple[str, PayerError]]:
    """Run the selected flows one after the other, within one budget and with one publication at the end.

    The error of a flow takes its outcome's place, and the next flow still runs, unless the stop is requested.
    """
    keys = await resolve_keys(ws, one_list(selection.tokens), selection.keys or (), top=selection.top)
    names, notes = await ws.in_thread(selection.names, ws)
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
    if done.published or done.left_to_publisher:
        return done
    try:
        with as_payer_errors():
            return done.with_publication(await publish(ws))
    except PayerError as error:
        known = {problem.what for problem in done.problems}
        return done if error.what in known else replace(done, problems=(*done.problems, error))
