"""`tollbook health`: look for everything that may need a person, and tell what changed."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from tollbook.cli import options
from tollbook.cli.terminal.output import Output

STYLES = {"critical": "red", "warning": "yellow", "notice": ""}


def health(
    quiet: Annotated[bool, typer.Option("--no-notify", help="Only show: send nothing, remember nothing.")] = False,
    as_json: options.Json = False,
) -> int:
    """Check balance, caps, losses, doubt, lateness, prices, disk and clock. Pays nothing.

    What is new, changed or over since the last check is sent to TOLLBOOK_NOTIFY_URL, once.
    """
    from tasks.health.notify import report_health
    from tollbook.cli.workspace import in_workspace

    output = Output(as_json=as_json)

    work = partial(report_health, tell=not quiet)
    done = in_workspace(work, says="checking money, data, chain and sellers; nothing is paid")
    output.document(done.document())
    for finding in done.health.findings:
        output.line(f"{finding.severity.value:<9} {finding.text}", style=STYLES[finding.severity.value], hang=10)
        if finding.advice:
            output.line(f"          what to do: {finding.advice}", hang=10)
    if not done.health.findings:
        output.line("all is well")
    output.warn(f"not notified: {done.problem}" if done.problem else None)
    return done.health.exit_code
