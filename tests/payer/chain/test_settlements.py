"""A transfer over one of our nonces is compared with everything that was signed for it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from payer.payer import Payer
from payer.settle.reconcile import Reconciled
from payer.values.chain_view import ChainView, NonceState, Settlement, TransferOut
from payer.values.money import Asset
from payer.values.purchase import Money, Purchase
from tests.payer import purchases as p
from tests.payer import scripted as s
from tests.payer.buy.test_buy import carry, reserved

THIEF = "0x" + "66" * 20
DEARER = p.PRICE + 4000
FAR = p.VALID_BEFORE + 10_000
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


def reconciled(settlement: Settlement, *, expired: bool = False) -> tuple[Reconciled, Purchase]:
    """Signed at two prices, then settled like that; the books and the purchase. `expired`: both signatures are dead."""
    view = s.chain_view(NonceState.USED, settlement=settlement, final_time=FAR if expired else 0)
    chain, clock = Settling(lambda: view, settlement=settlement), s.FakeClock()
    seller = s.ScriptedSeller([s.challenge(DEARER), s.answer(200)])
    at = Payer(s.context(None, seller, chain, clock))
    carry(at, reserved(at))
    clock.at += timedelta(seconds=20_000 if expired else 0)
    asyncio.run(at.verify(at.context.ledger.purchases()))
    chain.held = 10**12 - settlement.value
    books = asyncio.run(at.reconcile(p.USDC))
    [purchase] = at.context.ledger.purchases()
    assert set(at.context.ledger.committed(p.USDC).values()) == {purchase.committed}
    return books, purchase


@pytest.mark.parametrize("settlement", SIGNED.values(), ids=SIGNED)
def test_a_transfer_of_any_signature_over_the_nonce_is_explained(settlement: Settlement) -> None:
    """I5."""
    books, purchase = reconciled(settlement)
    assert (books.differences, books.ledger_atomic, books.chain_atomic) == ([], settlement.value, settlement.value)
    assert (purchase.money, purchase.committed) == (Money.SPENT, DEARER)


@pytest.mark.parametrize("settlement", NEVER_SIGNED.values(), ids=NEVER_SIGNED)
def test_a_transfer_that_was_never_signed_here_is_named_and_leaves_the_money_exposed(settlement: Settlement) -> None:
    """I3: it is a chain server's word, while the two signatures can still move the larger value."""
    books, purchase = reconciled(settlement)
    assert (purchase.money, purchase.committed) == (Money.EXPOSED, DEARER)
    [difference] = books.differences
    assert (difference.kind, difference.purchase_id) == ("disagrees", purchase.purchase_id)
    assert (difference.ledger_atomic, difference.chain_atomic) == (0, settlement.value)
    assert f"shows {settlement.value} to {settlement.pay_to} for this nonce, and {DEARER} to" in difference.detail


@pytest.mark.parametrize("settlement", NEVER_SIGNED.values(), ids=NEVER_SIGNED)
def test_a_transfer_that_was_never_signed_here_is_booked_and_named_once_all_signatures_expired(
    settlement: Settlement,
) -> None:
    """I5: nothing of ours can move any more, so it is spent; but it is no clean book, and it counts at its largest."""
    books, purchase = reconciled(settlement, expired=True)
    assert (purchase.money, purchase.committed) == (Money.SPENT, DEARER)
    assert books.ledger_atomic == books.chain_atomic == settlement.value
    [difference] = books.differences
    assert (difference.kind, difference.chain_atomic) == ("disagrees", settlement.value)
    assert f"{settlement.value} went to {settlement.pay_to}, which was not signed here" in difference.detail
