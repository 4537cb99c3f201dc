"""`tollbook doctor`: check that everything is in place."""

from __future__ import annotations

import asyncio

from tollbook.cli import options
from tollbook.cli.terminal.output import Output

INDENT = 26
"""Columns before a check's words."""


def doctor(as_json: options.Json = False) -> int:
    """Check configuration, wallet, balance, chain, sellers' terms against policy, disk and Prefect. Pays nothing."""
    from payer.values.errors import worst
    from tasks.health.doctor import checkup
    from tollbook.cli.terminal.spinner import Spinner
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
