"""Look purchases up on the chain by their nonces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from payer.context import PayerContext
from payer.ledger import Ledger
from payer.values.chain_view import ChainView, NotSeen, Settlement, View
from payer.values.errors import ChainUnreachable
from payer.values.events import Event, Signed
from payer.values.money import Asset
from payer.values.purchase import Purchase


async def look(context: PayerContext, purchases: Iterable[Purchase]) -> Mapping[str, View]:
    """Read the chain's view of each purchase's nonce, by purchase id; one batch per asset and payer.

    An unreachable chain is the view NotSeen.UNREACHABLE, never "unused" (I9).
    """
    groups: dict[tuple[Asset, str], list[Purchase]] = {}
    for purchase in purchases:
        groups.setdefault((purchase.asset, purchase.payer), []).append(purchase)
    views: dict[str, View] = {}
    for (asset, payer), members in groups.items():
        try:
            seen = await context.chain.look(asset, payer, {p.nonce: p.from_block for p in members})
        except ChainUnreachable:
            views.update({p.purchase_id: NotSeen.UNREACHABLE for p in members})
        else:
            views.update(await context.ledger.in_thread(_compared, context.ledger, members, seen))
    return views


def _compared(ledger: Ledger, purchases: Iterable[Purchase], seen: Mapping[str, ChainView]) -> dict[str, View]:
    return {p.purchase_id: compared(ledger, p, seen[p.nonce]) for p in purchases}


def compared(ledger: Ledger, purchase: Purchase, view: ChainView) -> ChainView:
    """Mark a settlement by an earlier signature over the nonce than the purchase's newest, which the events hold."""
    settled = view.settlement
    if settled is None or purchase.authorization is None:
        return view
    newest = purchase.authorization
    if (settled.pay_to, settled.value) == (newest.pay_to, newest.value):
        return view
    return replace(view, as_signed=paid_as_signed(settled, ledger.events(purchase.purchase_id)))


def paid_as_signed(settlement: Settlement, events: Iterable[Event]) -> bool:
    """Tell whether a transfer has the payee and value of an authorization signed for its nonce.

    True, too, when these events hold none: the nonce was used by another machine, or before a ledger was lost.
    """
    signed = {(e.authorization.pay_to, e.authorization.value) for e in events if isinstance(e, Signed)}
    return not signed or (settlement.pay_to, settlement.value) in signed
