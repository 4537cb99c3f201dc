"""Load the ledger's new bodies into the cache's tables, and publish the tables to analysts."""

from __future__ import annotations

from tasks.request.expected import expected
from tasks.workspace.workspace import Workspace
from warehouse.load.report import LoadReport
from warehouse.load.self_repair import load as load_cache
from warehouse.publish import publish as publishing
from warehouse.publish.publication import Publication


async def load(ws: Workspace) -> LoadReport:
    """Load every body that the cache has not seen, whoever bought it. Typed rows; what can't be cast is quarantined."""
    return load_cache(ws.cache, ws.ledger)


async def publish(ws: Workspace) -> Publication:
    """Write snapshot files of what is new and replace the file that analysts open, atomically."""
    return publishing.publish(ws.home, ws.ledger, expected=expected(ws))
