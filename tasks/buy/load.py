"""Bringing what the ledger holds into the tables, and the tables to the analysts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tasks.buy.outcome import FailedBody, Loaded, Published
from tasks.request.expected import expected
from tasks.workspace.workspace import Workspace


async def load(ws: Workspace) -> Loaded:
    """Load every body that the cache has not seen, whoever bought it. Typed rows; what can't be cast is quarantined."""
    from warehouse.load.self_repair import load as load_cache

    report = load_cache(ws.cache, ws.ledger)
    return Loaded(
        rows_new=report.rows_new,
        rows_changed=report.rows_changed,
        quarantined=report.quarantined,
        drift=tuple(str(words) for words in report.drift),
        failed=tuple(FailedBody(one.purchase_id, one.dataset, one.message) for one in report.failures),
        notes=report.notes,
    )


async def publish(ws: Workspace) -> Published:
    """Snapshots of what is new, and the file analysts open, replaced at once."""
    from warehouse.publish.publish import publish as bring_up

    done = bring_up(ws.home, ws.ledger, expected=expected(ws))
    held = done.held
    return Published(
        str(done.path), done.changed, done.snapshot_files, held=held.files, held_bytes=held.bytes, note=done.note
    )


async def compact(ws: Workspace) -> str:
    """Each month's snapshot files as one. Says what it did."""
    from warehouse.publish.publish import compact as rewrite

    done = rewrite(ws.home, ws.ledger)
    return f"{done.months} months rewritten, {done.files_before} files before, {done.files_after} after"


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """Cache and published files made anew. `changed` are tables that are not what they were: the cache was wrong.

    `forgotten` counts deliveries that the ledger had lost, `note` says what was damaged.
    """

    rows: int
    seconds: float
    changed: tuple[str, ...]
    path: str
    forgotten: int = 0
    note: str | None = None

    def document(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "seconds": round(self.seconds, 3),
            "changed": list(self.changed),
            "forgotten": self.forgotten,
            "note": self.note,
            "published": self.path,
            "amount": "0",
        }


async def rebuild_all(ws: Workspace, *, forget_lost: bool = False) -> Rebuilt:
    """From the bodies in the ledger alone, to identical tables (I8). Raises LedgerLacks for a ledger that lost some."""
    from warehouse.load.rebuild import rebuild
    from warehouse.publish.publish import publish as bring_up

    done = rebuild(ws.home, ws.ledger, forget_lost=forget_lost)
    published = bring_up(ws.home, ws.ledger, rebuild=True, thorough=True, expected=expected(ws))
    seconds = done.seconds + published.seconds
    return Rebuilt(done.rows, seconds, done.changed, str(published.path), done.forgotten, published.note)
