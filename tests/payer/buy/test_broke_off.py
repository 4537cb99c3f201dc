"""An answer to a payment that breaks off after its headers is evidence, and never a delivery."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from payer.http.exchange import Answer, NoAnswer
from payer.ledger.database import rows
from payer.payer import Payer
from payer.values.errors import Unresolved
from payer.values.events import Answered
from payer.values.purchase import Data, Money, Purchase
from tests.payer import scripted as s
from tests.payer.buy.test_buy import CHAINS, reserved

TX = "0x" + "ab" * 32
RECEIPT = s.encoded({"success": True, "transaction": TX, "network": "eip155:31337"})
BODY = b'{"success": true, "data": [1, 2'


def cut(answer: Answer) -> NoAnswer:
    return NoAnswer("the connection failed: closed", replace(answer, cut=True))


def bought(*script: Answer | NoAnswer, chain: str = "unused") -> tuple[Payer, Purchase | str]:
    """The payer after one purchase, and the purchase or its error's text."""
    desk = Payer(s.context(None, s.ScriptedSeller([*script]), s.ScriptedChain(CHAINS[chain].view)))
    try:
        return desk, asyncio.run(desk.buy(reserved(desk)))
    except Unresolved as doubt:
        return desk, str(doubt)


def test_half_of_a_paid_body_is_kept_as_evidence_and_the_same_payment_asks_for_the_whole() -> None:
    """I1, I4: the status, the receipt and the start of the body are in the ledger; one payment, presented twice."""
    desk, purchase = bought(cut(s.answer(200, BODY, payment_response=RECEIPT)), s.answer(200, b"{}"))
    assert isinstance(purchase, Purchase)
    assert (purchase.data, purchase.receipt_tx, purchase.sends) == (Data.DELIVERED, TX, 2)
    first, last = [e for e in desk.context.ledger.events(purchase.purchase_id) if isinstance(e, Answered)]
    assert (first.status, first.broke_off, first.receipt_tx) == (200, True, TX)
    assert first.body_sha256 == rows.digest(BODY)
    assert (last.status, last.broke_off) == (200, False)
    assert purchase.answers == (f"200: {BODY.decode()}; the connection failed: closed",)
    seller = desk.context.transport
    assert isinstance(seller, s.ScriptedSeller)
    assert seller.payments[0] == seller.payments[1]


def test_half_a_body_for_ever_is_money_in_doubt_and_the_answers_are_told() -> None:
    desk, told = bought(cut(s.answer(200, BODY)))
    assert isinstance(told, str)
    assert "the seller's last answer: status 200: " in told
    assert "the connection failed: closed" in told
    [purchase] = desk.context.ledger.purchases()
    assert (purchase.money, purchase.data) == (Money.EXPOSED, Data.ABSENT)


@pytest.mark.parametrize("body", [b"", b'{"detail": "no'])
def test_the_word_in_the_headers_of_a_refusal_is_heard_although_its_body_broke_off(body: bytes) -> None:
    terms = {"x402Version": 2, "resource": {"url": s.SELLER}, "accepts": [s.offer()], "error": "insufficient_funds"}
    _, told = bought(cut(s.answer(402, body, payment_required=s.encoded(terms))))
    assert isinstance(told, str)
    assert "status 402: insufficient_funds; the connection failed: closed" in told
    assert "USDC are due" in told


def test_the_receipt_of_another_payer_is_not_taken_from_half_an_answer() -> None:
    other = s.encoded({"success": True, "transaction": TX, "payer": "0x" + "11" * 20, "network": "eip155:31337"})
    desk, told = bought(cut(s.answer(500, b"", payment_response=other)))
    [purchase] = desk.context.ledger.purchases()
    assert purchase.receipt_tx is None
    assert "the connection failed: closed; the receipt names another payer" in str(told)


def test_with_not_even_a_status_only_the_reason_is_kept() -> None:
    desk, _ = bought(NoAnswer("timed out"))
    [purchase] = desk.context.ledger.purchases()
    assert (purchase.last_status, purchase.answers) == (None, ("no answer: timed out",))
