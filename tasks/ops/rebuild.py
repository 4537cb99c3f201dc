"""Rewrite cache and published files for $0: rebuild them from the ledger, or compact a month's snapshots."""

from __future__ import annotations

from typing import Any

from tasks.bucket.publish_remote import send_rewritten
from tasks.buy.publish import as_publisher
from tasks.request.schedules import expected
from tasks.workspace.workspace import Workspace
from warehouse.load.adopt import adopt_published
from warehouse.load.rebuild import Rebuilt, rebuild
from warehouse.publish import publish as publishing
from warehouse.publish.publication import Publication
from warehouse.publish.publish import publish


async def rebuild_all(ws: Workspace, *, forget_lost: bool = False) -> tuple[Rebuilt, Publication]:
    """Rebuild from the bodies in the ledger alone, to identical tables (I8).

    Raises LedgerLacks where the cache, or the published file, has deliveries that the ledger lacks, unless they may be
    forgotten.
    """
    rebuilt, publication = await ws.in_thread(_rebuild_all, ws, forget_lost=forget_lost)
    return rebuilt, publication.sent(await send_rewritten(ws))


def _rebuild_all(ws: Workspace, *, forget_lost: bool) -> tuple[Rebuilt, Publication]:
    if not forget_lost:
        adopt_published(ws.home, ws.ledger)
    rebuilt = rebuild(ws.home, ws.ledger, forget_lost=forget_lost)
    options = {"rebuild": True, "thorough": True, "forget_lost": forget_lost}
    return rebuilt, publish(ws.home, ws.ledger, expected=expected(ws), **options)


def rebuild_document(rebuilt: Rebuilt, publication: Publication) -> dict[str, Any]:
    """The document of `rebuild`. `changed` are tables that differ from before: the cache was wrong."""
    return {
        "rows": rebuilt.rows,
        "seconds": round(rebuilt.seconds + publication.seconds, 3),
        "changed": list(rebuilt.changed),
        "forgotten": rebuilt.forgotten,
        "note": publication.note,
        "published": str(publication.path),
        "amount": "0",
    }


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
