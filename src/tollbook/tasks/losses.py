"""The only way to buy an undelivered piece again: a person's word, booked (I2)."""

from __future__ import annotations

import getpass

from tollbook.payer.types import Purchase
from tollbook.tasks.asking import BadRequest
from tollbook.tasks.workspace import Workspace


def accept(ws: Workspace, purchase_id: str) -> Purchase:
    """Raises BadRequest for a purchase that doesn't exist or isn't lost."""
    from tollbook.payer.events import LossAccepted

    found = ws.ledger.get(purchase_id)
    if found is None:
        raise BadRequest(f"there is no purchase {purchase_id!r}", advice="`tollbook status` lists the undelivered ones")
    if found.loss_accepted:
        raise BadRequest(f"the loss of {purchase_id} is accepted already", advice="run the flow again to buy it anew")
    if not (found.undelivered or found.burned):
        raise BadRequest(
            f"{purchase_id} is not lost: its money is {found.money}, its data {found.data}",
            advice="nothing needs to be accepted; `tollbook recover` carries open purchases on",
        )
    if found.settling:
        raise BadRequest(
            f"the payment of {purchase_id} is not final yet: a reorg could bring it back beside the next",
            advice="run `tollbook recover` in some minutes, then accept the loss",
        )
    return ws.ledger.append(found, LossAccepted(at=ws.clock.now(), by=_person()))


def _person() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
