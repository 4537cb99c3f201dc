"""`tollbook publish`: load and publish what was bought, by whichever worker."""

from __future__ import annotations

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
