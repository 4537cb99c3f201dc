"""Load what was bought and publish it: in this home or, with a PostgreSQL ledger, by one worker elected for all.

With a SQLite ledger a run publishes in its own home. Workers of one PostgreSQL ledger have one published set. A run
that ends takes a ticket in the ledger and tries the publisher's lock. Whoever holds it loads what every worker bought,
publishes, and records which tickets that shows; the others wait for theirs to be shown, and take over when the lock is
free: at the end of a publication, or when its process, its machine or its connection dies. Payments take no part in
this: they wait for no publisher, and a publisher writes nothing about money.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from payer.buy.record import book_failure
from payer.ledger.workers import Elected, LastPublication
from payer.values.crashpoints import crash_point
from tasks.bucket.publish_remote import publish_remote
from tasks.request.schedules import expected
from tasks.workspace.check_body import check_body
from tasks.workspace.place import is_here, mark_place
from tasks.workspace.workspace import Workspace, in_ledger_thread
from warehouse.load import self_repair
from warehouse.load.adopt import adopt_published
from warehouse.load.report import LoadReport
from warehouse.publish import publish as publishing
from warehouse.publish.publication import Publication


@in_ledger_thread
def load(ws: Workspace) -> LoadReport:
    """Load every body that the cache has not seen, whoever bought it. Typed rows; what can't be cast is quarantined.

    What the published file holds and neither ledger nor cache has is taken over: it is not bought again. A failed
    delivery without a verdict in the ledger (its buyer died before) is booked as one.
    """
    report = self_repair.load(ws.cache, ws.ledger)
    report = replace(report, notes=(*report.notes, *adopt_published(ws.home, ws.ledger)))
    for failure in report.failures:
        purchase, delivery = ws.ledger.get(failure.purchase_id), ws.ledger.delivery(failure.purchase_id)
        reason = "" if delivery is None or delivery.damaged else check_body(delivery)
        if purchase is not None and reason:
            book_failure(ws.ledger, ws.clock, purchase, reason)
    return report


@in_ledger_thread
def publish_here(ws: Workspace, *, take_over: bool = False) -> Publication:
    """Write snapshot files of what is new and replace the file that analysts open, atomically, in this home.

    `take_over` continues what another worker's home published.
    """
    return publishing.publish(ws.home, ws.ledger, expected=expected(ws), take_over=take_over)


WAIT_SECONDS = 60.0
"""Longest wait of a run for another worker's publication of its rows; they are then shown by the next one."""

POLL_SECONDS = 0.25
MOST_PASSES = 2
"""Publications by one elected worker in a row, for tickets that are taken meanwhile; then it is another's turn."""


@dataclass(frozen=True, slots=True)
class LeftToPublisher:
    """A publication that is left to another worker. `shown`: it has published everything that this one asked for."""

    last: LastPublication
    shown: bool

    @property
    def where(self) -> str:
        """The place of the last publication, for people; empty before the first one."""
        return self.last.place.address if self.last.place else ""

    @property
    def text(self) -> str:
        """One sentence for people."""
        by = f"{self.last.host} at {self.last.published_at:%Y-%m-%d %H:%M:%S} UTC" if self.last.published_at else ""
        where = f" ({self.where})" if self.where else ""
        if self.shown:
            return f"published by {by}{where}"
        so_far = f"last published by {by}{where}" if by else "nothing is published yet"
        return (
            f"waits for the publisher: {so_far}. What was bought is in the ledger, and the next publication shows it: "
            "`tollbook publish`, or the next run where the published set lies"
        )

    def document(self) -> dict[str, Any]:
        at = self.last.published_at
        return {
            "shown": self.shown,
            "host": self.last.host,
            "at": at.isoformat() if at else None,
            "place": self.where or None,
            "ledger_seq": self.last.ledger_seq,
        }


async def publish(ws: Workspace, *, take_over: bool = False, verify: bool = False) -> Publication | LeftToPublisher:
    """Publish everything that was bought so far, or see that another worker does; waits at most WAIT_SECONDS for it.

    `take_over`: an operator says that this worker publishes from now on, wherever the published set was before.
    `verify`: ask the store of TOLLBOOK_PUBLISH for every object. Trouble there is a note, never an error. Raises
    LedgerUnavailable.
    """
    if not await ws.in_thread(lambda: ws.ledger.workers.share):
        here = await publish_here(ws)
        return here.sent(await publish_remote(ws, take_over=take_over, verify=verify))
    publisher = ws.ledger.workers.publisher
    ticket = await ws.in_thread(publisher.take_ticket)
    until = time.monotonic() + WAIT_SECONDS
    while True:
        ended = await _turn(ws, ticket, take_over=take_over, verify=verify)
        if ended is not None:
            return ended
        if ws.stop.requested or time.monotonic() >= until:
            return LeftToPublisher(await ws.in_thread(publisher.last), shown=False)
        await asyncio.sleep(POLL_SECONDS)


@asynccontextmanager
async def as_publisher(ws: Workspace) -> AsyncIterator[LeftToPublisher | None]:
    """Hold the publisher's lock for the block, for what changes published files and adds nothing; on SQLite there is
    none. Yields what it is left to where another worker has the lock, or the published set lies elsewhere."""
    publisher = await ws.in_thread(lambda: ws.ledger.workers.publisher if ws.ledger.workers.share else None)
    if publisher is None:
        yield None
        return
    elected = await ws.in_thread(publisher.try_elect)
    try:
        last = await ws.in_thread(publisher.last)
        yield None if elected is not None and is_here(ws, last) else LeftToPublisher(last, shown=False)
    finally:
        if elected is not None:
            await ws.in_thread(elected.release)


async def _turn(ws: Workspace, ticket: int, *, take_over: bool, verify: bool) -> Publication | LeftToPublisher | None:
    """Look once: None while another worker publishes."""
    publisher = ws.ledger.workers.publisher
    if (last := await ws.in_thread(publisher.last)).shown >= ticket:
        return LeftToPublisher(last, shown=True)
    elected = await ws.in_thread(publisher.try_elect)
    if elected is None:
        return None
    try:
        crash_point("publisher.elected")
        if (last := await ws.in_thread(elected.last)).shown >= ticket:
            return LeftToPublisher(last, shown=True)
        if not take_over and not is_here(ws, last):
            return LeftToPublisher(last, shown=False)
        return await _publish_for_all(ws, elected, last, take_over=take_over, verify=verify)
    finally:
        await ws.in_thread(elected.release)


async def _publish_for_all(
    ws: Workspace, elected: Elected, before: LastPublication, *, take_over: bool, verify: bool
) -> Publication:
    """Load and publish what every worker bought, and record it; again for tickets that were taken meanwhile.

    Where the store can't be reached nothing is recorded: another worker may reach it.
    """
    total: Publication | None = None
    for _ in range(MOST_PASSES):
        ticket, seq = await ws.in_thread(elected.newest_ticket), await ws.in_thread(ws.ledger.last_seq)
        await load(ws)
        done = await publish_here(ws, take_over=True)
        remote = await publish_remote(ws, elected=True, take_over=take_over, verify=verify)
        done = done.sent(remote)
        total = done if total is None else total.and_then(done)
        crash_point("publisher.published")
        if remote is not None and remote.problem is not None:
            return total
        place = mark_place(ws)
        await ws.in_thread(elected.record, ticket, place, seq)
        crash_point("publisher.recorded")
        if await ws.in_thread(elected.newest_ticket) <= ticket:
            break
    assert total is not None, "one pass at least"
    if before.place is None or before.place.id == place.id:
        return total
    moved = (
        f"the published set moved from {before.place.address} to {place.address}: readers of the former see nothing "
        "newer. All workers of one ledger need one place: a `published` folder that they share, or one TOLLBOOK_PUBLISH"
    )
    return replace(total, note="; ".join(filter(None, (total.note, moved))))
