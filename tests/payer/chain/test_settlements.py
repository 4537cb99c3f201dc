"""A transfer over one of our nonces is compared with everything that was signed for it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace

import pytest

from payer.chain.chain import TransferOut
from payer.payer import Payer
from payer.settle.reconcile import Reconciled
from payer.values.chain_view import ChainView, NonceState, Settlement
from payer.values.money import Asset
from tests.payer import purchases as p
from tests.payer import scripted as s
from tests.payer.buy.test_buy import carry, reserved

THIEF = "0x" + "66" * 20
DEARER = p.PRICE + 4000
SIGNED: dict[str, Settlement] = {
    "the-first-signature": p.settlement(),
    "the-dearer-signature": p.settlement(value=DEARER),
}
NEVER_SIGNED: dict[str, Settlement] = {
    "another-payee": replace(p.settlement(), pay_to=THIEF),
    "another-value": p.settlement(value=p.PRICE + 1),
    "another-payee-at-the-dearer-price": replace(p.settlement(value=DEARER), pay_to=THIEF),
}


@dataclass
class Settling(s.ScriptedChain):
    """Shows one settlement of whatever nonce it is asked for, as view and as transfer."""

    settlement: Settlement | None = None
    nonce: str | None = None

    async def look(self, asset: Asset, payer: str, nonces: Mapping[str, int | None]) -> Mapping[str, ChainView]:
        [self.nonce] = nonces
        return await super().look(asset, payer, nonces)

    async def transfers(self, asset: Asset, payer: str, from_block: int, to_block: int) -> list[TransferOut]:
        found = self.settlement
        assert found is not None
        return [
            TransferOut(found.tx_hash, 1, found.block_number, found.block_hash, found.pay_to, found.value, self.nonce)
        ]


def reconciled(settlement: Settlement) -> Reconciled:
    """Signed at two prices, then settled like that."""
    view = s.chain_view(NonceState.USED, settlement=settlement)
    chain = Settling(lambda: view, settlement=settlement)
    seller = s.ScriptedSeller([s.challenge(DEARER), s.answer(200)])
    at = Payer(s.context(None, seller, chain))
    carry(at, reserved(at))
    asyncio.run(at.verify(at.context.ledger.purchases()))
    chain.held = 10**12 - settlement.value
    return asyncio.run(at.reconcile(p.USDC))


@pytest.mark.parametrize("settlement", SIGNED.values(), ids=SIGNED)
def test_a_transfer_of_any_signature_over_the_nonce_is_explained(settlement: Settlement) -> None:
    """I5."""
    books = reconciled(settlement)
    assert (books.differences, books.ledger_atomic, books.chain_atomic) == ([], settlement.value, settlement.value)


@pytest.mark.parametrize("settlement", NEVER_SIGNED.values(), ids=NEVER_SIGNED)
def test_a_transfer_that_was_never_signed_here_is_booked_and_named(settlement: Settlement) -> None:
    """I5: the money is gone, so it is spent; but it is no clean book."""
    books = reconciled(settlement)
    assert books.ledger_atomic == books.chain_atomic == settlement.value
    [difference] = books.differences
    assert (difference.kind, difference.chain_atomic) == ("disagrees", settlement.value)
    assert f"{settlement.value} went to {settlement.pay_to}, which was not signed here" in difference.detail
