"""`tollbook doctor`: check that everything is in place."""

from __future__ import annotations

import asyncio

from tollbook.cli import options
from tollbook.cli.output import Output


def doctor(as_json: options.Json = False) -> int:
    """Check configuration, wallet, balance, chain, sellers' terms against policy, disk and Prefect. Pays nothing."""
    from payer.values.errors import worst
    from tasks.ops.doctor import checkup

    output = Output(as_json=as_json)
    found = asyncio.run(checkup())
    output.document({"ok": all(each.ok for each in found), "checks": [each.document() for each in found]})
    for each in found:
        output.line(f"{'ok  ' if each.ok else 'FAIL'} {each.name:<20} {each.detail}", style="" if each.ok else "red")
        if each.fix:
            output.line(f"     {'':<20} what to do: {each.fix}", style="yellow")
    return worst([each.exit_code for each in found])
