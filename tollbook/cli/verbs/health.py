"""`tollbook doctor` and `tollbook health`: check that everything is in place, and find what may need a person."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Annotated

import typer

from tollbook.cli import options
from tollbook.cli.terminal.output import Output, Spinner

INDENT = 26
"""Columns before a check's words."""


def doctor(as_json: options.Json = False) -> int:
    """Check configuration, wallet, balance, chain, sellers' terms against policy, disk and Prefect. Pays nothing."""
    from payer.values.errors import worst
    from tasks.health.doctor import checkup
    from tollbook.templates import own_or_shipped

    output = Output(as_json=as_json)
    with Spinner().saying("asking the chain and each seller; nothing is paid"):
        checks = asyncio.run(checkup(schedules=own_or_shipped("prefect.yaml")))
    output.document({"ok": all(check.ok for check in checks), "checks": [check.document() for check in checks]})
    for check in checks:
        style = {"FAIL": "red", "warn": "yellow"}.get(check.grade, "")
        output.line(f"{check.grade:<4} {check.name:<20} {check.detail}", style=style, hang=INDENT)
        if check.fix:
            output.line(f"     {'':<20} what to do: {check.fix}", style="yellow", hang=INDENT)
    return worst([check.exit_code for check in checks])


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
