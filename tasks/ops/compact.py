"""Rewrite a month's many snapshot files as one."""

from __future__ import annotations

from tasks.bucket.publish_remote import send_rewritten
from tasks.buy.publish import as_publisher
from tasks.workspace.workspace import Workspace
from warehouse.publish import publish as publishing


async def compact(ws: Workspace) -> str:
    """Compact each month of the snapshots, and send that too; return how many months and files that were.

    Of the workers of one PostgreSQL ledger, one at the place of the published set does it, and while none publishes.
    """
    async with as_publisher(ws) as left:
        if left is not None:
            return f"nothing was compacted here: that is left to the publisher ({left.where or 'another worker'})"
        done = await ws.in_thread(lambda: publishing.compact(ws.home, ws.ledger))
        remote = await send_rewritten(ws)
    notes = "".join(f"; {note}" for note in (remote.notes if remote is not None else ()))
    return f"{done.months} months rewritten, {done.files_before} files before, {done.files_after} after{notes}"
