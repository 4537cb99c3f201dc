"""First step of every run: what is paid for is claimed, what is dead is freed, what is in doubt is left in peace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tollbook.tasks.workspace import Workspace

if TYPE_CHECKING:
    from tollbook.payer.recover import Recovered


async def recover(ws: Workspace, flow: str | None = None) -> Recovered:
    """Carry every open purchase of a flow (None: of all) as far as it goes. Without any, no chain is asked."""
    from tollbook.payer.recover import Recovered

    if not ws.ledger.open_purchases(flow):
        return Recovered()
    return await ws.payer.recover(flow)
