"""Recovery: what is due, how often a paid body is asked for, and that one purchase never holds up the others."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from payer.http.exchange import NoAnswer, NotSent
from payer.payer import Payer
from payer.policy.file import parse_policy
from payer.settle.recover import Recovered, due
from payer.values.chain_view import ChainView, NonceState
from payer.values.errors import PaidUndelivered
from payer.values.purchase import Data, Money
from tests.payer import purchases as p
from tests.payer import scripted as s
from tests.payer.buy.test_buy import CHAINS, carry, reserved

GONE = s.POLICY.replace("[sellers.s]", "[sellers.renamed]")
LATE = int(p.NOW.timestamp()) + 1000


def wait(at: Payer, seconds: float) -> None:
    assert isinstance(at.context.clock, s.FakeClock)
    at.context.clock.at += timedelta(seconds=seconds)


def lost(seller: s.ScriptedSeller) -> Payer:
    """A desk whose one purchase was paid, claimed in vain and given up."""
    at = Payer(s.context(None, seller, s.ScriptedChain(CHAINS["used"].view)))
    state, raised = carry(at, reserved(at))
    assert (state.money, state.undelivered, raised) == (Money.SPENT, True, PaidUndelivered)
    seller.headers.clear()
    return at


def recover(at: Payer) -> Recovered:
    return asyncio.run(at.recover())


def test_an_undelivered_body_is_asked_for_again_over_days_and_then_no_more() -> None:
    """Each recovery asks once, when the next claim is due; the loss stays in every report meanwhile."""
    seller = s.ScriptedSeller([s.answer(500)])
    at = lost(seller)
    asked = []
    for hours in range(24 * 20):
        found = recover(at)
        assert len(found.undelivered) == len(seller.headers) <= 1
        if seller.headers:
            asked.append(hours)
            seller.headers.clear()
        wait(at, 3600)
    assert asked == [1, 2, 6, 24, 72, 168]
    [state] = at.context.ledger.purchases()
    assert (state.undelivered, due(at.context.ledger, at.context.clock.now())) == (True, [])


def test_a_body_that_the_seller_serves_later_is_delivered_without_anybody_asking() -> None:
    """I1: with the authorization that paid."""
    seller = s.ScriptedSeller([s.answer(500)])
    at = lost(seller)
    wait(at, 700)
    seller.script = [s.answer(200, b"{}")]
    [delivered] = recover(at).delivered
    assert (delivered.data, delivered.undelivered, delivered.spent) == (Data.DELIVERED, False, p.PRICE)
    assert at.context.ledger.undelivered() == []
    assert len(seller.payments) == 1


def test_a_loss_that_a_person_accepted_is_not_asked_for_again() -> None:
    """I2: the next generation is bought in its place."""
    seller = s.ScriptedSeller([s.answer(500)])
    at = lost(seller)
    at.accept_loss(at.context.ledger.purchases()[0], "a person")
    wait(at, 10**6)
    assert (due(at.context.ledger, at.context.clock.now()), recover(at), seller.headers) == ([], Recovered(), [])


ENDS: dict[str, tuple[ChainView, Money]] = {
    "dead": (s.chain_view(NonceState.UNUSED, final_time=LATE), Money.VOID),
    "paid": (s.chain_view(NonceState.USED, final_time=LATE, settlement=p.settlement()), Money.SPENT),
    "in-doubt": (s.chain_view(NonceState.UNUSED), Money.EXPOSED),
}


@pytest.mark.parametrize(("later", "money"), ENDS.values(), ids=ENDS)
def test_a_purchase_of_a_seller_that_policy_names_no_more_is_looked_at_and_stops_nobody(
    later: ChainView, money: Money
) -> None:
    """I5, I9: what the chain proves is booked; only presenting needs the seller."""
    seller = s.ScriptedSeller([NoAnswer("timed out")])
    before = s.chain_view(NonceState.UNUSED)
    context = s.context(None, seller, s.ScriptedChain(lambda: before))
    carry(Payer(context), reserved(Payer(context)))
    seller.headers.clear()
    at = Payer(replace(context, policy=parse_policy(GONE), chain=s.ScriptedChain(lambda: later)))
    wait(at, 600 if money is Money.VOID else 0)
    found = recover(at)
    [state] = context.ledger.purchases()
    assert (state.money, state.undelivered, seller.headers) == (money, False, [])
    told = [why for _, why in found.in_doubt]
    assert told == [] if money is Money.VOID else "still valid" in told[0] or "which policy no longer names" in told[0]


def test_a_second_life_that_never_left_the_machine_is_void_and_holds_no_cap() -> None:
    """I3: what the first life sent is dead by proof; nothing of it is in doubt."""
    seller = s.ScriptedSeller([s.challenge(), NoAnswer("reset"), NoAnswer("reset"), NoAnswer("reset")])
    view = s.chain_view(NonceState.UNUSED)
    chain = s.ScriptedChain(lambda: view)
    at = Payer(s.context(None, seller, chain))
    order = s.order()

    async def again(run: str) -> None:
        [purchase] = (await at.approve(p.run(run), [order], await at.quote([order]))).purchases
        await at.buy(purchase)

    with pytest.raises(Exception, match="reset"):
        asyncio.run(again("one"))
    wait(at, 600)
    view = s.chain_view(NonceState.UNUSED, final_time=LATE)
    assert len(recover(at).voided) == 1
    seller.script = [NotSent("connection refused")]
    with pytest.raises(Exception, match="could not be reached"):
        asyncio.run(again("two"))
    [state] = at.context.ledger.purchases()
    assert (state.money, state.committed, state.earlier_sends) == (Money.VOID, 0, 3)
    assert set(at.context.ledger.committed(state.asset).values()) == {0}
