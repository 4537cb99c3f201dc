"""Load and publish on demand: the verb and the flow `publish`."""

from __future__ import annotations

from typing import Any

from tasks.buy.load import load
from tasks.buy.publish import LeftToPublisher, publish
from tasks.workspace.workspace import Workspace
from warehouse.publish.publication import Publication


async def publish_all(ws: Workspace, *, take_over: bool = False, verify: bool = False) -> Publication | LeftToPublisher:
    """Load every body that the ledger holds, and publish: in this home, or by the elected worker of a PostgreSQL
    ledger. Raises LedgerUnavailable."""
    if not await ws.in_thread(lambda: ws.ledger.workers.share):
        await load(ws)
    return await publish(ws, take_over=take_over, verify=verify)


def publication_document(done: Publication | LeftToPublisher) -> dict[str, Any]:
    """The document of `publish`."""
    mine = done if isinstance(done, Publication) else None
    return {
        "published": str(mine.path) if mine else None,
        "changed": mine.changed if mine else False,
        "deliveries": mine.deliveries if mine else 0,
        "snapshot_files": mine.snapshot_files if mine else 0,
        "seconds": round(mine.seconds, 3) if mine else None,
        "note": mine.note if mine else None,
        "remote": mine.remote.document() if mine and mine.remote else None,
        "publisher": done.document() if isinstance(done, LeftToPublisher) else None,
        "amount": "0",
    }
