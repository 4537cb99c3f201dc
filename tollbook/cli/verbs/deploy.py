"""`tollbook deploy`: work pool, deployments and automations on a Prefect server, each once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from tollbook.cli import options
from tollbook.cli.terminal.output import Output

STYLES = {"created": "green", "updated": "yellow", "paused": "yellow", "deleted": "yellow", "unchanged": ""}


def deploy(
    path: Annotated[
        Path | None,
        typer.Option(
            "--file",
            metavar="FILE",
            help="The deployments; by default prefect.yaml here, or the one that ships with tollbook.",
            show_default=False,
        ),
    ] = None,
    pool: Annotated[
        str | None,
        typer.Option("--pool", metavar="NAME", help="The work pool, instead of the file's.", show_default=False),
    ] = None,
    wait: Annotated[
        float,
        typer.Option(
            "--wait", metavar="SECONDS", help="How long to wait for a server that is starting.", show_default=False
        ),
    ] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    as_json: options.Json = False,
) -> None:
    """Deploy to the Prefect server of PREFECT_API_URL: work pool, deployments, automations. Pays nothing.

    Run it again at any time: what differs is updated, nothing is added twice.
    """
    from tasks.prefect.deploy.deploy import deploy as deploy_all
    from tollbook.templates import AUTOMATIONS, own_or_shipped

    output = Output(as_json=as_json)
    source = path or own_or_shipped("prefect.yaml")
    automations = [own_or_shipped(name) for name in AUTOMATIONS]
    done = asyncio.run(deploy_all(source, automations, pool=pool, wait=wait, dry_run=dry_run))
    output.document(done.document())
    output.heading(f"Prefect server {done.server}, from {done.file}")
    for change in done.changes:
        action = change.action.value
        words = f"would be {action}" if done.dry_run and action != "unchanged" else action
        parts = f": {', '.join(change.parts)}" if change.parts else ""
        output.line(f"  {change.kind.value:<10}  {change.name:<36}  {words}{parts}", style=STYLES[action])
    for note in done.notes:
        output.line(f"  {note}")
    if done.dry_run:
        output.line("  Nothing was changed: this was a dry run.")
        return
    for pool in done.pools:
        output.line(f"  To work: prefect worker start --pool {pool} --type process")
