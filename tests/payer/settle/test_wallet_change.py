"""A key is changed while purchases of the earlier wallet are open: they are looked at, and not presented by it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from payer.http.exchange import NoAnswer
from payer.payer import Payer
from payer.values.chain_view import ChainView, NonceState
from payer.values.errors import PayerError, Unresolved
from payer.values.purchase import Data, Money
from payer.wallet.eip3009 import Wallet
from tests.payer import purchases as p
from tests.payer import scripted as s
from tests.payer.buy.test_buy import reserved

NEW_KEY = bytes.fromhex("22" * 32)
LATE = int(p.NOW.timestamp()) + 1000


def exposed(tmp_path: Path, later: ChainView) -> tuple[Payer, s.ScriptedSeller]:
    """A desk with the new key, over a ledger that holds a payment in doubt of the old one."""
    seller = s.ScriptedSeller([NoAnswer("timed out")])
    before = s.chain_view(NonceState.UNUSED)
    context = s.context(tmp_path, seller, s.ScriptedChain(lambda: before))
    with pytest.raises(Unresolved):
        asyncio.run(Payer(context).buy(reserved(Payer(context))))
    seller.headers.clear()
    return Payer(replace(context, wallet=Wallet(NEW_KEY), chain=s.ScriptedChain(lambda: later))), seller


@pytest.mark.parametrize(
    ("later", "money"),
    [
        (s.chain_view(NonceState.UNUSED, final_time=LATE), Money.VOID),
        (s.chain_view(NonceState.USED, final_time=LATE, settlement=p.settlement()), Money.SPENT),
        (s.chain_view(NonceState.UNUSED), Money.EXPOSED),
    ],
    ids=["dead", "paid", "in-doubt"],
)
def test_recovery_books_what_the_chain_proves_of_another_wallet_and_presents_nothing(
    tmp_path: Path, later: ChainView, money: Money
) -> None:
    desk, seller = exposed(tmp_path, later)
    assert isinstance(desk.context.clock, s.FakeClock)
    desk.context.clock.at += timedelta(seconds=600 if money is Money.VOID else 0)
    recovered = asyncio.run(desk.recover())
    [purchase] = desk.context.ledger.purchases()
    assert (purchase.money, purchase.data) == (money, Data.ABSENT)
    assert seller.headers == []
    assert not purchase.undelivered
    assert [why for _, why in recovered.in_doubt if "is to be paid from wallet" in why] or money is not Money.SPENT
    desk.context.ledger.close()


def test_a_reservation_of_another_wallet_is_not_signed_with_this_key(tmp_path: Path) -> None:
    seller = s.ScriptedSeller([s.answer(200)])
    context = s.context(tmp_path, seller, s.ScriptedChain(lambda: None))
    purchase = reserved(Payer(context))
    with pytest.raises(PayerError, match="is to be paid from wallet"):
        asyncio.run(Payer(replace(context, wallet=Wallet(NEW_KEY))).buy(purchase))
    assert seller.headers == []
    context.ledger.close()
