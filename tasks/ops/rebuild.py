"""Rebuild cache and published files from the ledger, for $0."""

from __future__ import annotations

from typing import Any

from tasks.bucket.publish_remote import send_rewritten
from tasks.request.expected import expected
from tasks.workspace.workspace import Workspace
from warehouse.load.adopt import adopt_published
from warehouse.load.rebuild import Rebuilt, rebuild
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
