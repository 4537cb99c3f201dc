"""A clock that is wrong: nothing is signed by it, before a bill is reserved or once an answer has shown it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from email.utils import format_datetime

import pytest

from payer.http.exchange import Answer
from payer.payer import Payer
from payer.values.errors import Refused
from payer.values.purchase import Data, Money, Purchase
from tests.payer import purchases as p
from tests.payer import scripted as s
from tests.payer.buy.test_buy import CHAINS, carry
from tests.payer.buy.test_changed_terms import DEARER

FAR = timedelta(seconds=700)


def dated(answer: Answer, at: datetime) -> Answer:
    return replace(answer, headers={**answer.headers, "date": format_datetime(at, usegmt=True)})


def desk(*script: Answer) -> tuple[Payer, s.ScriptedSeller]:
    seller = s.ScriptedSeller(list(script))
    return Payer(s.context(None, seller, s.ScriptedChain(CHAINS["unused"].view))), seller


def approve(at: Payer, number: int = 0) -> Purchase:
    async def work() -> Purchase:
        order = s.order(number)
        return (await at.approve(p.run(), [order], await at.quote([order]))).purchases[0]

    return asyncio.run(work())


@pytest.mark.parametrize(("off", "says"), [(-FAR, "699 s ahead of"), (FAR, "700 s behind")], ids=["ahead", "behind"])
def test_a_bill_is_not_reserved_by_a_clock_that_is_further_off_than_the_window(off: timedelta, says: str) -> None:
    at, seller = desk(dated(s.challenge(), p.NOW + off))
    with pytest.raises(Refused, match=f"this machine's clock is {says}") as caught:
        approve(at)
    assert (caught.value.exit_code, caught.value.money) == (3, "none was sent")
    assert "NTP" in caught.value.fix
    assert (at.context.ledger.purchases(), seller.payments) == ([], [])


@pytest.mark.parametrize("off", [timedelta(seconds=-590), timedelta(seconds=100)])
def test_a_clock_that_the_window_covers_is_signed_by(off: timedelta) -> None:
    at, seller = desk(dated(s.challenge(), p.NOW + off), s.answer(200))
    state, raised = carry(at, approve(at))
    assert (state.data, raised, len(seller.payments)) == (Data.DELIVERED, None, 1)
    signed = seller.payments[0]["payload"]["authorization"]  # type: ignore[index]
    assert int(signed["validAfter"]) == int(p.NOW.timestamp()) - 600


def test_an_answer_that_shows_it_stops_the_next_signature_and_frees_its_reservation() -> None:
    """A kept quote tells no time, so the first payment is what shows it."""
    at, seller = desk(s.challenge(), dated(s.answer(200), p.NOW - FAR))
    first, second = approve(at), approve(at, 1)
    assert carry(at, first)[0].data is Data.DELIVERED
    state, raised = carry(at, second)
    assert raised is Refused
    assert (state.money, state.committed, len(seller.payments)) == (Money.VOID, 0, 1)
    assert state.denied is not None
    assert "clock" in state.denied


def test_terms_that_move_are_not_signed_again_by_a_clock_that_is_off() -> None:
    at, seller = desk(s.challenge(), dated(s.challenge(DEARER), p.NOW - FAR))
    state, _ = carry(at, approve(at))
    amounts = {payment["payload"]["authorization"]["value"] for payment in seller.payments}  # type: ignore[index]
    assert (amounts, state.reserved) == ({str(p.PRICE)}, p.PRICE)
