"""Accept a loss: the operator approval without which a purchase that was paid for is never bought again (I2)."""

from __future__ import annotations

from payer.values.events import LossAccepted
from payer.values.purchase import Data, Money, Purchase
from sources import registry
from sources.parse.envelope import Envelope, open_body
from tasks.operator.name import operator_name
from tasks.request.model import BadRequest
from tasks.workspace.workspace import Workspace
from warehouse.load.rebuild import rebuild


def accept_loss(ws: Workspace, purchase_id: str) -> Purchase:
    """Book the loss of a purchase that was never delivered, or whose body can't be used.

    Such a body is kept, and the cache rebuilt without the cells it covered. Raises BadRequest for a purchase that
    doesn't exist or isn't lost.
    """
    purchase = ws.ledger.get(purchase_id)
    if purchase is None:
        raise BadRequest(f"there is no purchase {purchase_id!r}", advice="`tollbook status` lists the undelivered ones")
    _check(ws, purchase)
    lost = ws.ledger.append(purchase, LossAccepted(at=ws.clock.now(), by=operator_name()))
    if lost.data is Data.DELIVERED:
        rebuild(ws.home, ws.ledger)
    return lost


def _check(ws: Workspace, purchase: Purchase) -> None:
    if purchase.loss_accepted:
        raise BadRequest(
            f"the loss of {purchase.purchase_id} is accepted already",
            advice="run the flow again to buy it; if this was interrupted, `tollbook rebuild` first",
        )
    if purchase.data is Data.DELIVERED and _failed(ws, purchase):
        if purchase.money is Money.EXPOSED:
            raise BadRequest(
                f"the payment of {purchase.purchase_id} is not proved yet", advice="run `tollbook recover` first"
            )
    elif not (purchase.undelivered or purchase.burned):
        raise BadRequest(
            f"{purchase.purchase_id} is not lost: its money is {purchase.money}, its data {purchase.data}",
            advice="nothing needs to be accepted; `tollbook recover` carries open purchases on",
        )
    if purchase.settling:
        raise BadRequest(
            f"the payment of {purchase.purchase_id} is not final yet: a reorg could bring it back beside the next",
            advice="run `tollbook recover` in some minutes, then accept the loss",
        )


def _failed(ws: Workspace, purchase: Purchase) -> bool:
    """True for a body in which the seller reports a failure, or that can't be read."""
    delivery = ws.ledger.delivery(purchase.purchase_id)
    if delivery is None:
        return False
    envelope, _, _ = open_body(registry.dataset(delivery.dataset), delivery.status, delivery.body)
    return envelope is not Envelope.OK
