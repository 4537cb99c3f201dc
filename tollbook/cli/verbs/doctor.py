"""`tollbook doctor`: check that everything is in place."""

from __future__ import annotations

import asyncio
import shutil
import textwrap

from tollbook.cli import options
from tollbook.cli.output import Output


def doctor(as_json: options.Json = False) -> int:
    """Check configuration, wallet, balance, chain, sellers' terms against policy, disk and Prefect. Pays nothing."""
    from payer.values.errors import worst
    from tasks.health.doctor import checkup
    from tollbook.templates import own_or_shipped

    output = Output(as_json=as_json)
    checks = asyncio.run(checkup(schedules=own_or_shipped("prefect.yaml")))
    output.document({"ok": all(check.ok for check in checks), "checks": [check.document() for check in checks]})
    for check in checks:
        style = {"FAIL": "red", "warn": "yellow"}.get(check.grade, "")
        output.line(f"{check.grade:<4} {check.name:<20} {_folded(output, check.detail)}", style=style)
        if check.fix:
            output.line(f"     {'':<20} {_folded(output, f'what to do: {check.fix}')}", style="yellow")
    return worst([check.exit_code for check in checks])


INDENT = 26


def _folded(output: Output, text: str) -> str:
    """The text folded beside the checks' names on a terminal, as it is elsewhere."""
    room = shutil.get_terminal_size().columns - INDENT
    if not output.terminal or room < INDENT:
        return text
    return f"\n{' ' * INDENT}".join(textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False))
