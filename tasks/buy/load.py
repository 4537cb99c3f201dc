"""Load the ledger's new bodies into the cache's tables, and publish the tables to analysts, in this home."""

from __future__ import annotations

from dataclasses import replace

from payer.buy.judge_body import book_failure
from tasks.request.expected import expected
from tasks.workspace.check_body import check_body
from tasks.workspace.workspace import Workspace
from warehouse.load import self_repair
from warehouse.load.adopt import adopt_published
from warehouse.load.report import LoadReport
from warehouse.publish import publish as publishing
from warehouse.publish.publication import Publication


async def load(ws: Workspace) -> LoadReport:
    """Load every body that the cache has not seen, whoever bought it. Typed rows; what can't be cast is quarantined.

    What the published file holds and neither ledger nor cache has is taken over: it is not bought again. A failed
    delivery without a verdict in the ledger (its buyer died before) is booked as one.
    """
    return await ws.in_thread(_load, ws)


def _load(ws: Workspace) -> LoadReport:
    report = self_repair.load(ws.cache, ws.ledger)
    report = replace(report, notes=(*report.notes, *adopt_published(ws.home, ws.ledger)))
    for failure in report.failures:
        purchase, delivery = ws.ledger.get(failure.purchase_id), ws.ledger.delivery(failure.purchase_id)
        reason = "" if delivery is None or delivery.damaged else check_body(delivery)
        if purchase is not None and reason:
            book_failure(ws.ledger, ws.clock, purchase, reason)
    return report


async def publish_here(ws: Workspace, *, take_over: bool = False) -> Publication:
    """Write snapshot files of what is new and replace the file that analysts open, atomically, in this home.

    `take_over` continues what another worker's home published.
    """
    return await ws.in_thread(_publish, ws, take_over)


def _publish(ws: Workspace, take_over: bool) -> Publication:
    return publishing.publish(ws.home, ws.ledger, expected=expected(ws), take_over=take_over)
