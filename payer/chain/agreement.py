"""Combine what several chain servers say about one nonce into one view. Pure.

A server is a witness, not a judge. What only one of several says frees no money; what contradicts another's word proves
nothing. docs/payments.md has the rules as a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from payer.values.chain_view import ChainView, NonceState, Settlement

NEEDED = 2
"""Servers that must say the same before money is freed, where as many are configured."""


def combine(views: Sequence[ChainView], configured: int) -> ChainView:
    """Return one view from those of all servers that answered (at least one), of so many that are configured.

    Heads and final blocks are the oldest that any server has. A nonce that any server calls used is used. A settlement
    is shown if no server that has seen its block contradicts it, and final if as many call it final as must agree.
    """
    needed = min(NEEDED, configured)
    oldest = min(views, key=lambda view: view.head_number)
    final = min(views, key=lambda view: (view.final_time, view.final_number))
    states, finals = {view.state for view in views}, {view.state_final for view in views}
    settlement = _undisputed(views, needed)
    return ChainView(
        head_number=oldest.head_number,
        head_time=oldest.head_time,
        final_number=final.final_number,
        final_time=final.final_time,
        state=states.pop() if len(states) == 1 else NonceState.USED,
        state_final=finals.pop() if len(finals) == 1 else NonceState.UNUSED,
        settlement=settlement,
        agreed=len(views) >= needed and len({(view.state, view.state_final) for view in views}) == 1,
    )


def _undisputed(views: Sequence[ChainView], needed: int) -> Settlement | None:
    """The one settlement that servers show, unless one that has seen its block knows of none, or of another."""
    shown = [view.settlement for view in views if view.settlement is not None]
    if not shown or len({(s.tx_hash, s.block_hash, s.pay_to, s.value) for s in shown}) > 1:
        return None
    settled = shown[0]
    if any(view.state is not NonceState.USED and view.head_number >= settled.block_number for view in views):
        return None
    return replace(settled, final=sum(one.final for one in shown) >= needed)
