"""Recover every open purchase: settle, void or leave in doubt, then load and publish what that delivered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from payer.settle.recover import Recovered
from payer.values.purchase import Purchase
from tasks.buy.publish import LeftToPublisher, load, publish
from tasks.buy.purchase import recover
from tasks.ops.status import exit_code_of, exposed, purchase_document, undelivered_text
from tasks.workspace.run import AsStep, plain
from tasks.workspace.workspace import Workspace
from warehouse.load.report import LoadReport
from warehouse.publish.publication import Publication


@dataclass(frozen=True, slots=True)
class Recovery:
    """The result of one recovery of everything: the document of `recover`. `held` are purchases in doubt that another
    process is at."""

    found: Recovered
    loaded: LoadReport
    published: Publication | LeftToPublisher | None
    undelivered: tuple[Purchase, ...]
    failed: tuple[Purchase, ...] = ()
    held: tuple[Purchase, ...] = ()
    interrupted: bool = False

    @property
    def in_doubt(self) -> list[tuple[Purchase, str]]:
        """Purchases that were sent and are neither proved spent nor void, each with the reason."""
        return [*self.found.in_doubt, *((purchase, "another process is at it") for purchase in self.held)]

    @property
    def exit_code(self) -> int:
        return exit_code_of(self.undelivered or self.failed, self.in_doubt)

    def counts(self) -> dict[str, int]:
        return {
            "settled": len(self.found.settled),
            "delivered": len(self.found.delivered),
            "voided": len(self.found.voided),
            "open": len(self.in_doubt),
            "undelivered": len(self.undelivered),
            "failed": len(self.failed),
        }

    @property
    def notes(self) -> list[str]:
        left = [self.published.text] if isinstance(self.published, LeftToPublisher) else []
        return [*self.loaded.notes, *left]

    def document(self) -> dict[str, Any]:
        return {
            "interrupted": self.interrupted,
            **self.counts(),
            "rows_new": self.loaded.rows_new,
            "rows_changed": self.loaded.rows_changed,
            "published": str(self.published.path) if isinstance(self.published, Publication) else None,
            "publisher": self.published.document() if isinstance(self.published, LeftToPublisher) else None,
            "notes": self.notes,
            "purchases": [{**purchase_document(p), "why": why} for p, why in self.in_doubt]
            + [{**purchase_document(p), "why": undelivered_text(p)} for p in self.undelivered]
            + [{**purchase_document(p), "why": p.lost_for} for p in self.failed],
        }


async def recover_all(ws: Workspace, *, step: AsStep = plain) -> Recovery:
    """Carry every open purchase as far as it goes, then load and publish. Buys nothing new."""
    found = await step(recover)(ws, None)
    loaded = await step(load)(ws)
    published = await step(publish)(ws)
    undelivered = tuple(await ws.in_thread(lambda: ws.ledger.undelivered()))
    failed = tuple(await ws.in_thread(lambda: ws.ledger.failed_deliveries()))
    known = {purchase.purchase_id for purchase, _ in found.in_doubt}
    held = [p for p in await ws.in_thread(exposed, ws) if p.purchase_id not in known]
    return Recovery(found, loaded, published, undelivered, failed, tuple(held), ws.stop.requested)
