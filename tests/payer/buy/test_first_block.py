"""Where a nonce's use is searched: above the final block when it was unused, and else where it was used."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from payer.buy import quote as quoting
from payer.values.chain_view import ChainView, NonceState
from tests.payer import purchases as p
from tests.payer.chain.asking import NONCE, look
from tests.payer.chain.paper_chain import PaperChain
from tests.payer.scripted import ScriptedChain, ScriptedSeller, answer, chain_view, challenge, context, order

UNUSED = chain_view(NonceState.UNUSED)
USED = chain_view(NonceState.USED, settlement=p.settlement())
UNEXPLAINED = chain_view(NonceState.USED)


@pytest.mark.parametrize(
    ("view", "first"),
    [
        pytest.param(UNUSED, UNUSED.final_number, id="unused"),
        pytest.param(USED, p.settlement().block_number, id="used"),
        pytest.param(UNEXPLAINED, UNEXPLAINED.final_number, id="used-without-logs"),
    ],
)
def test_a_reservation_remembers_a_block_that_no_reorg_replaces(tmp_path: Path, view: ChainView, first: int) -> None:
    """Above the head a replaced block could hide the transfer. Always some block: without one a chain reader takes the
    nonce for one that was never signed."""
    ours = context(tmp_path, ScriptedSeller([challenge(), answer(200)]), ScriptedChain(lambda: view))

    async def reserve() -> int | None:
        quotes = await quoting.quote(ours, [order()])
        approved = await quoting.approve(ours, p.run(), [order()], quotes)
        return approved.purchases[0].from_block

    assert asyncio.run(reserve()) == first


@pytest.mark.parametrize("start", [900, 1000, None])
def test_a_use_below_the_block_it_was_signed_at_is_found(start: int | None) -> None:
    """I5: else a purchase that another machine made first would stay in doubt for ever."""
    paper = PaperChain()
    tx_hash = paper.settle(NONCE, 700)
    [view] = look(paper, start=start).values()
    assert view.settlement is not None
    assert (view.settlement.tx_hash, view.settlement.final) == (tx_hash, True)
