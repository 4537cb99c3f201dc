"""Each answer to a payment is kept; the first refusal is not overwritten by those that follow it."""

from __future__ import annotations

import asyncio

import pytest

from payer.http.exchange import NoAnswer
from payer.payer import Payer
from payer.values.errors import PaidUndelivered, Unresolved
from payer.values.events import Answered, Void, fold
from payer.values.purchase import Purchase
from tests.payer import purchases as p
from tests.payer import scripted as s
from tests.payer.buy.test_buy import CHAINS, reserved

_DOCUMENT = {"x402Version": 2, "resource": {"url": f"{s.SELLER}/tm-grade?token_id=0"}, "accepts": [s.offer()]}
_TERMS = s.encoded(_DOCUMENT)
POOR = s.answer(402, b'{"error":"insufficient_funds"}', payment_required=_TERMS)
USED = s.answer(402, b"{}", payment_required=s.encoded({**_DOCUMENT, "error": "nonce_already_used"}))


def refused(desk: Payer, error: type[Exception]) -> tuple[Purchase, str, str]:
    with pytest.raises(error) as raised:
        asyncio.run(desk.buy(reserved(desk)))
    [purchase] = desk.context.ledger.purchases()
    return purchase, str(raised.value), raised.value.fix  # type: ignore[attr-defined]


def test_a_poor_wallet_is_told_its_balance_and_what_to_do() -> None:
    chain = s.ScriptedChain(CHAINS["unused"].view, held=1_500)
    purchase, what, fix = refused(Payer(s.context(None, s.ScriptedSeller([POOR]), chain)), Unresolved)
    assert purchase.answers == ("402: insufficient_funds",)
    assert "status 402: insufficient_funds" in what
    assert f"{purchase.payer} holds 0.0015 USDC, and 0.02 USDC are due" in what
    assert "top the wallet up" in fix


def test_our_own_reason_for_not_following_new_terms_stands_beside_the_sellers_word() -> None:
    broken = s.answer(402, b'{"error":"out of stock"}', payment_required=s.encoded({**_DOCUMENT, "accepts": []}))
    desk = Payer(s.context(None, s.ScriptedSeller([broken]), s.ScriptedChain(CHAINS["unused"].view)))
    _, what, _ = refused(desk, Unresolved)
    assert "status 402: out of stock; the seller's terms can't be read" in what


def test_an_unknown_balance_is_said_to_be_unknown() -> None:
    desk = Payer(s.context(None, s.ScriptedSeller([POOR]), Blind(CHAINS["unused"].view)))
    assert "can't be read" in refused(desk, Unresolved)[1]


class Blind(s.ScriptedChain):
    """Serves views and no balance."""

    async def balance(self, asset: object, owner: str) -> int:
        raise s.ChainUnreachable("scripted")


def test_the_first_refusal_stays_beside_the_last() -> None:
    seller = s.ScriptedSeller([s.answer(403, b'{"message":"blocked"}'), NoAnswer("timed out"), USED])
    purchase, what, fix = refused(Payer(s.context(None, seller, s.ScriptedChain(CHAINS["unused"].view))), Unresolved)
    assert purchase.answers == ("403: blocked", "no answer: timed out", "402: nonce_already_used")
    assert "last answer: status 402: nonce_already_used; before that: 403: blocked; no answer: timed out" in what
    assert "recover" in fix


def test_what_was_paid_and_never_delivered_is_told_with_the_sellers_words() -> None:
    seller = s.ScriptedSeller([s.answer(404, b'{"message":"No data found"}')])
    purchase, what, _ = refused(Payer(s.context(None, seller, s.ScriptedChain(CHAINS["used"].view))), PaidUndelivered)
    assert purchase.answers == ("404: No data found",)
    assert "status 404: No data found" in what


def answered(number: int) -> Answered:
    return Answered(at=p.NOW, status=500, elapsed_ms=1, note=f"{number}")


def test_of_many_answers_the_first_and_the_newest_few_are_kept_and_a_delivery_is_none() -> None:
    state = p.exposed()
    for number in range(20):
        state = p.after(state, answered(number), answered(number))
    assert state.answers == ("500: 0", "500: 16", "500: 17", "500: 18", "500: 19")
    assert fold(state, Answered(at=p.NOW, status=200, elapsed_ms=1)).answers == state.answers
    again = p.after(state, Void(at=p.NOW, reason="expired", proof_block=9), p.intent(p.blank()))
    assert again.answers == ()
