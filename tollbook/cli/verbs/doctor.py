"""`tollbook doctor`: is everything in place? Pays nothing."""

from __future__ import annotations

import asyncio

from tollbook.cli import options
from tollbook.cli.answer import Answer


def doctor(as_json: options.Json = False) -> int:
    """Check configuration, wallet, balance, chain, sellers' terms against policy, disk and Prefect. Pays nothing."""
    from payer.values.errors import worst
    from tasks.ops.doctor import checkup

    answer = Answer(as_json=as_json)
    found = asyncio.run(checkup())
    answer.document({"ok": all(each.ok for each in found), "checks": [each.document() for each in found]})
    for each in found:
        answer.line(f"{'ok  ' if each.ok else 'FAIL'} {each.name:<20} {each.detail}", style="" if each.ok else "red")
        if each.fix:
            answer.line(f"     {'':<20} what to do: {each.fix}", style="yellow")
    return worst([each.exit_code for each in found])
