"""Pieces that another home of the wallet bought, or a ledger that was lost: known by their nonces, and told as such."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from payer.ledger import Ledger
from payer.values.identifiers import nonce, purchase_key
from payer.values.money import Amount, Asset
from payer.values.purchase import Purchase
from payer.values.request import Order
from payer.wallet.signer import Signer

WHO = "another home of this wallet, or a ledger that was lost"


def bought_elsewhere(ledger: Ledger, wallet: Signer, asset: Asset, orders: Iterable[Order], at: datetime) -> set[str]:
    """Return the purchase keys of orders over whose nonces the wallet paid elsewhere in the month of a time.

    Reserving them adds nothing to a cap: their transfers count already.
    """
    used = ledger.elsewhere.nonces(asset, wallet.address, at)
    keys = {purchase_key(order.request, order.edition) for order in orders} if used else set()
    return {key for key in keys if nonce(wallet.nonce_secret, asset, key, _generation(ledger, key)) in used}


def _generation(ledger: Ledger, key: str) -> int:
    latest = ledger.find(key)
    return 0 if latest is None else latest.generation + latest.loss_accepted


def whose(purchase: Purchase) -> str:
    """Say who bought a piece whose payment this ledger never sent; "" for its own."""
    settled = purchase.settlement
    if not purchase.bought_elsewhere or settled is None:
        return ""
    amount = Amount(settled.value, purchase.asset)
    return (
        f"bought by {WHO}: {amount} went to {settled.pay_to} over this piece's nonce in {settled.tx_hash} on "
        f"{settled.block_time:%Y-%m-%d %H:%M} UTC, and this ledger never sent that payment. Whoever did has the body"
    )


def where_it_is(purchase: Purchase) -> str:
    """Say how to get such a piece: from the other home, from a backup, or by paying once more."""
    price = Amount(purchase.cost, purchase.asset)
    return (
        "read it in the other home, and let both use one ledger from now on (TOLLBOOK_LEDGER_URL; docs/operating.md, "
        "Two homes over one wallet); or `tollbook restore` a backup of the ledger that was lost; or run `tollbook "
        f"accept-loss {purchase.purchase_id}`, which lets the next run pay for it once more, about {price}"
    )
