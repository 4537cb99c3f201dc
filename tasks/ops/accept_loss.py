"""The only way to buy again what was paid for and is of no use: a person's word, booked (I2)."""

from __future__ import annotations

import getpass

from payer.values.purchase import Data, Money, Purchase
from tasks.request.requests import BadRequest
from tasks.workspace.workspace import Workspace


def accept(ws: Workspace, purchase_id: str) -> Purchase:
    """Book the loss of a purchase that was never delivered, or whose body says that it failed; that body is kept, and
    the cache made anew without what it covered. Raises BadRequest for a purchase that doesn't exist or isn't lost."""
    from payer.values.events import LossAccepted
    from warehouse.load.rebuild import rebuild

    found = ws.ledger.get(purchase_id)
    if found is None:
        raise BadRequest(f"there is no purchase {purchase_id!r}", advice="`tollbook status` lists the undelivered ones")
    _check(ws, found)
    lost = ws.ledger.append(found, LossAccepted(at=ws.clock.now(), by=_person()))
    if lost.data is Data.DELIVERED:
        rebuild(ws.home, ws.ledger)
    return lost


def _check(ws: Workspace, found: Purchase) -> None:
    if found.loss_accepted:
        raise BadRequest(
            f"the loss of {found.purchase_id} is accepted already",
            advice="run the flow again to buy it anew; if that was interrupted, `tollbook rebuild` first",
        )
    if found.data is Data.DELIVERED and _failed(ws, found):
        if found.money is Money.EXPOSED:
            raise BadRequest(
                f"the payment of {found.purchase_id} is not proved yet", advice="run `tollbook recover` first"
            )
    elif not (found.undelivered or found.burned):
        raise BadRequest(
            f"{found.purchase_id} is not lost: its money is {found.money}, its data {found.data}",
            advice="nothing needs to be accepted; `tollbook recover` carries open purchases on",
        )
    if found.settling:
        raise BadRequest(
            f"the payment of {found.purchase_id} is not final yet: a reorg could bring it back beside the next",
            advice="run `tollbook recover` in some minutes, then accept the loss",
        )


def _failed(ws: Workspace, purchase: Purchase) -> bool:
    """The body that came is no answer: the seller says so in it, or nobody can read it."""
    from sources import registry
    from sources.parse.envelope import Envelope, open_body

    delivery = ws.ledger.delivery(purchase.purchase_id)
    if delivery is None:
        return False
    envelope, _, _ = open_body(registry.dataset(delivery.dataset), delivery.status, delivery.body)
    return envelope is not Envelope.OK


def _person() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
