"""`tollbook publish` and `tollbook rebuild`: publish what was bought, and make cache and files again, for $0."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import Annotated

import typer

from tollbook.cli import options
from tollbook.cli.terminal.output import Output


def publish(
    take_over: Annotated[
        bool, typer.Option("--take-over", help="Publish from this home from now on, wherever that was done before.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Ask the store of TOLLBOOK_PUBLISH for every object, and send what lacks.")
    ] = False,
    as_json: options.Json = False,
) -> int:
    """Load what was bought, by any worker of the ledger, and publish it. Needs no key and no seller, and costs nothing.

    Of the workers of one PostgreSQL ledger one publishes at a time, for all: another one's publication is waited for,
    up to a minute.
    """
    from payer.values.errors import Unresolved
    from tasks.ops.publish import publication_document, publish_all
    from tollbook.cli.workspace import in_workspace
    from warehouse.publish.publication import Publication

    output = Output(as_json=as_json)
    done = in_workspace(partial(publish_all, take_over=take_over, verify=verify), waits=True)
    output.document(publication_document(done))
    if not isinstance(done, Publication):
        output.line(done.text, style="" if done.shown else "yellow")
        return 0 if done.shown else Unresolved.exit_code
    output.line(f"{done.text} in {done.seconds:.1f} s")
    if done.note:
        output.line(f"  note        {done.note}", style="yellow")
    output.line(f"  published   {done.path}")
    if done.remote is None:
        return 0
    if done.remote.problem is None:
        output.line(f"  sent        {done.remote.text}")
    return done.remote.exit_code


def rebuild(
    check: Annotated[
        bool, typer.Option("--check", help="Only say what is damaged or differs. Needs no key and no chain.")
    ] = False,
    forget_lost: Annotated[
        bool, typer.Option("--forget-lost", help="Drop rows of deliveries that the ledger has lost.")
    ] = False,
    as_json: options.Json = False,
) -> int:
    """Make the cache and the published files again from the ledger. Needs no seller and costs nothing."""
    from tasks.ops.publish import rebuild_all, rebuild_document
    from tollbook.cli.workspace import in_workspace

    output = Output(as_json=as_json)
    if check:
        return _check(output)
    done, publication = in_workspace(partial(rebuild_all, forget_lost=forget_lost))
    output.document(rebuild_document(done, publication))
    output.line(f"rebuilt from the ledger for $0: {done.rows} rows in {done.seconds + publication.seconds:.1f} s")
    if done.changed:
        output.line(f"  changed     {', '.join(done.changed)}", style="yellow")
    if done.forgotten:
        output.line(f"  forgotten   {done.forgotten} deliveries that the ledger lacks", style="yellow")
    if publication.note:
        output.line(f"  damaged     {publication.note}", style="yellow")
    output.line(f"  published   {publication.path}")
    return 0


def _check(output: Output) -> int:
    from payer.values.errors import Unresolved
    from tasks.ops.reconcile import check_all
    from tollbook.cli.workspace import in_workspace

    differences = in_workspace(check_all)
    output.document({"clean": not differences, "differences": [asdict(one) for one in differences]})
    whole = "ledger, bodies, cache and published files are whole"
    output.line(f"{len(differences)} differences" if differences else whole)
    for difference in differences:
        output.line(f"  {difference}", style="red")
    return Unresolved.exit_code if differences else 0
