"""First step of every run: what is paid for is claimed, what is dead is freed, what is in doubt is left in peace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from payer.values.errors import PaidUndelivered, Unresolved
from payer.values.purchase import Purchase
from tasks.buy.outcome import Loaded, Published
from tasks.ops.status import purchase_document
from tasks.workspace.workspace import Workspace

if TYPE_CHECKING:
    from payer.settle.recover import Recovered


async def recover(ws: Workspace, flow: str | None = None) -> Recovered:
    """Carry every open purchase of a flow (None: of all) as far as it goes. Without any, no chain is asked."""
    from payer.settle.recover import Recovered, due

    if not due(ws.ledger, ws.clock.now(), flow) and not ws.spool.waiting():
        return Recovered()
    return await ws.payer.recover(flow)


@dataclass(frozen=True, slots=True)
class Recovery:
    """What a recovery of everything found and brought: the document of `recover`."""

    found: Recovered
    loaded: Loaded
    published: Published
    undelivered: tuple[Purchase, ...]

    @property
    def exit_code(self) -> int:
        if self.undelivered:
            return PaidUndelivered.exit_code
        return Unresolved.exit_code if self.found.in_doubt else 0

    def counts(self) -> dict[str, int]:
        return {
            "settled": len(self.found.settled),
            "delivered": len(self.found.delivered),
            "voided": len(self.found.voided),
            "open": len(self.found.in_doubt),
            "undelivered": len(self.undelivered),
        }

    def document(self) -> dict[str, Any]:
        return {
            **self.counts(),
            "rows_new": self.loaded.rows_new,
            "rows_changed": self.loaded.rows_changed,
            "published": self.published.path,
            "purchases": [{**purchase_document(p), "why": why} for p, why in self.found.in_doubt]
            + [{**purchase_document(p), "why": "paid and never delivered"} for p in self.undelivered],
        }
