"""Bringing what the ledger holds into the tables, and the tables to the analysts."""

from __future__ import annotations

from tollbook.tasks.asking import Ask
from tollbook.tasks.outcome import Loaded, Published
from tollbook.tasks.workspace import Workspace


async def load(ws: Workspace) -> Loaded:
    """Load every body that the cache has not seen, whoever bought it. Typed rows; what can't be cast is quarantined."""
    report = ws.cache.load(ws.ledger)
    return Loaded(
        rows_new=report.rows_new,
        rows_changed=report.rows_changed,
        quarantined=report.quarantined,
        drift=tuple(str(words) for words in report.drift),
    )


async def publish(ws: Workspace, ask: Ask) -> Published:
    """Snapshots of what is new, and the file analysts open, replaced at once."""
    from tollbook.warehouse import publish as publishing

    done = publishing.publish(ws.home, ws.ledger, [want.dataset for want in ask.wants])
    return Published(path=str(done.path), changed=done.changed)
