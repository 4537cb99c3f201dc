"""Keep what is published: load and publish on demand, rebuild it from the ledger for $0, compact a month's files."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from payer.values.errors import LedgerUnavailable, Misconfigured
from tasks.bucket.publish_remote import send_rewritten
from tasks.buy.publish import LeftToPublisher, as_publisher, load, publish, publish_here
from tasks.ops.costs import ALWAYS, PUBLISHED_AT, CostTable, is_published, published_costs, stale_text, view
from tasks.request.model import Period
from tasks.request.schedules import expected
from tasks.workspace.cache_trouble import as_payer_error
from tasks.workspace.workspace import Workspace
from warehouse.load.adopt import adopt_published
from warehouse.load.rebuild import Rebuilt, rebuild
from warehouse.publish import publish as publishing
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
    return rebuilt, publishing.publish(ws.home, ws.ledger, expected=expected(ws), **options)


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
