"""Load and publish on demand: the verb and the flow `publish`, and before a report or the costs are read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from payer.values.errors import LedgerUnavailable, Misconfigured
from tasks.buy.publish import LeftToPublisher, load, publish, publish_here
from tasks.ops.costs import (
    ALWAYS,
    PUBLISHED_AT,
    CostTable,
    is_published,
    published_costs,
    stale_text,
    view,
)
from tasks.request.model import Period
from tasks.workspace.cache_trouble import as_payer_error
from tasks.workspace.workspace import Workspace
from warehouse.publish.publication import Publication
from warehouse.query import update_errors


async def publish_all(ws: Workspace, *, take_over: bool = False, verify: bool = False) -> Publication | LeftToPublisher:
    """Load every body that the ledger holds, and publish: in this home, or by the elected worker of a PostgreSQL
    ledger. Raises LedgerUnavailable."""
    if not await ws.in_thread(lambda: ws.ledger.workers.share):
        await load(ws)
    return await publish(ws, take_over=take_over, verify=verify)


async def up_to_date(ws: Workspace) -> str | None:
    """Load and publish, so that the published file shows the whole ledger.

    Where nothing can be written (a read-only disk, a full one), the last published file can still be read: returns why
    it is not newer, and its date. Raises the error when nothing was ever published.
    """
    not_written: tuple[type[Exception], ...] = (*update_errors(), LedgerUnavailable, Misconfigured)
    try:
        await load(ws)
        await publish_here(ws)
    except not_written as error:
        if not is_published(ws.home):
            raise
        reason = str(as_payer_error(error) or error).strip().splitlines()[0]
        [shown] = view(ws.home, f"SELECT {PUBLISHED_AT} AS at")
        return stale_text(reason, shown["at"])
    return None


async def cost_table(ws: Workspace, by: str, period: Period = ALWAYS) -> CostTable:
    """Return what `published_costs` does; publish before that where nothing ever was."""
    stale = None if is_published(ws.home) else await up_to_date(ws)
    table = published_costs(ws, by, period)
    return table if stale is None else replace(table, stale=stale)


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
