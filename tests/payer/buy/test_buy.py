"""The loop against every kind of answer, on every kind of chain, before and after the authorization's end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from payer.buy.lease import new_lease
from payer.http.exchange import NoAnswer, NotSent
from payer.payer import Payer
from payer.values.chain_view import ChainView, NonceState
from payer.values.errors import PaidUndelivered, PayerError, Refused, SellerUnreachable, Unresolved
from payer.values.events import Answered
from payer.values.purchase import Data, Money, Purchase
from payer.values.terms import Terms
from tests.payer import purchases as p
from tests.payer import scripted as s

RECEIPT = s.encoded({"success": True, "transaction": "0x" + "cc" * 32, "network": "eip155:31337", "payer": p.PAYER})
FAILED = s.encoded({"success": False, "errorReason": "invalid_exact_evm_nonce_already_used", "transaction": ""})
PENDING = s.encoded({"success": False, "errorReason": "settlement_pending", "transaction": "0x" + "cc" * 32})

DELIVERS: dict[str, s.Outcome] = {
    "200": s.answer(200, b'{"success":true,"data":[]}', payment_response=RECEIPT),
    "200-without-receipt": s.answer(200, b'{"success":true,"data":[]}'),
    "200-failed-envelope": s.answer(200, b'{"success":false,"message":"no"}', payment_response=RECEIPT),
    "200-garbage": s.answer(200, b"\x00<html>", payment_response="!!!"),
    "200-empty": s.answer(200, b""),
}
PROVES_NOTHING: dict[str, s.Outcome] = {
    "402-same-terms": s.challenge(),
    "402-failed-settlement": s.answer(402, b"{}", payment_response=FAILED),
    "402-pending-settlement": s.answer(402, b"{}", payment_response=PENDING),
    "402-garbage": s.answer(402, b"<html>", payment_required="%%%"),
    "402-other-payee": s.challenge(pay_to="0x" + "33" * 20),
    "402-absurd-price": s.challenge(10**12),
    "400": s.answer(400),
    "403": s.answer(403),
    "409": s.answer(409),
    "412": s.answer(412),
    "429": s.answer(429, b"", retry_after="1"),
    "500": s.answer(500),
    "500-with-receipt": s.answer(500, b"{}", payment_response=RECEIPT),
    "503-with-receipt": s.answer(503, b"{}", payment_response=RECEIPT),
    "302": s.answer(302, b"", location="http://127.0.0.1:1/elsewhere"),
    "timeout": NoAnswer("timed out"),
    "reset": NoAnswer("connection reset"),
    "half-a-body": NoAnswer("the body ended early"),
}

BEFORE, AFTER = 0, 600
START = int(p.NOW.timestamp())


@dataclass(frozen=True)
class ChainCase:
    """Each view of the chain, and the end that a payment without a delivery then has."""

    view: Callable[[], ChainView | None]
    before: tuple[Money, type[PayerError] | None]
    after: tuple[Money, type[PayerError] | None]


LATE = START + 1000
CHAINS: dict[str, ChainCase] = {
    "unused": ChainCase(
        lambda: s.chain_view(NonceState.UNUSED, final_time=START - 10),
        (Money.EXPOSED, Unresolved),
        (Money.EXPOSED, Unresolved),
    ),
    "unused-final-past-expiry": ChainCase(
        lambda: s.chain_view(NonceState.UNUSED, final_time=LATE), (Money.EXPOSED, Unresolved), (Money.VOID, None)
    ),
    "used": ChainCase(
        lambda: s.chain_view(NonceState.USED, final_time=START, settlement=p.settlement()),
        (Money.SPENT, PaidUndelivered),
        (Money.SPENT, PaidUndelivered),
    ),
    "used-not-final": ChainCase(
        lambda: s.chain_view(NonceState.USED, NonceState.UNUSED, settlement=p.settlement(final=False)),
        (Money.SPENT, PaidUndelivered),
        (Money.SPENT, PaidUndelivered),
    ),
    "used-transfer-not-found": ChainCase(
        lambda: s.chain_view(NonceState.USED, final_time=LATE),
        (Money.EXPOSED, Unresolved),
        (Money.EXPOSED, Unresolved),
    ),
    "cancelled": ChainCase(
        lambda: s.chain_view(NonceState.CANCELLED, final_time=LATE), (Money.EXPOSED, Unresolved), (Money.VOID, None)
    ),
    "cancelled-and-the-signature-still-alive": ChainCase(
        lambda: s.chain_view(NonceState.CANCELLED, final_time=START),
        (Money.EXPOSED, Unresolved),
        (Money.EXPOSED, Unresolved),
    ),
    "used-with-one-atomic-unit": ChainCase(
        lambda: s.chain_view(NonceState.USED, final_time=START, settlement=p.settlement(value=1)),
        (Money.EXPOSED, Unresolved),
        (Money.EXPOSED, Unresolved),
    ),
    "cancelled-not-final": ChainCase(
        lambda: s.chain_view(NonceState.CANCELLED, NonceState.UNUSED, final_time=START),
        (Money.EXPOSED, Unresolved),
        (Money.EXPOSED, Unresolved),
    ),
    "unreachable": ChainCase(lambda: None, (Money.EXPOSED, Unresolved), (Money.EXPOSED, Unresolved)),
}


def reserved(desk: Payer, number: int = 0) -> Purchase:
    """A purchase with its caps reserved, its terms known and nothing signed."""
    context = desk.context
    item = p.wanted(number)
    item = replace(item, payer=context.signer().address, terms=signable())
    [purchase] = context.ledger.reserve(p.run(at=context.clock.now()), [item], context.policy.caps, new_lease(context))
    return purchase


def signable() -> Terms:
    """The terms that the scripted seller asks for."""
    return Terms(2, p.USDC, p.PAYEE, p.PRICE, 300, s.accepted())


def carry(desk: Payer, purchase: Purchase) -> tuple[Purchase, type[PayerError] | None]:
    """Buy; how it stands in the ledger then, and what was raised."""
    raised: type[PayerError] | None = None
    try:
        asyncio.run(desk.buy(purchase))
    except PayerError as error:
        raised = type(error)
    stored = desk.context.ledger.get(purchase.purchase_id)
    assert stored is not None
    return stored, raised


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("kind", DELIVERS)
def test_a_2xx_is_the_delivery_whatever_is_in_it(kind: str, chain: str) -> None:
    """I4: kept before anything looks inside; nothing is sent for it again (I1)."""
    seller = s.ScriptedSeller([DELIVERS[kind]])
    desk = Payer(s.context(None, seller, s.ScriptedChain(CHAINS[chain].view)))
    bought, raised = carry(desk, reserved(desk))
    assert (bought.data, raised, len(seller.payments)) == (Data.DELIVERED, None, 1)
    outcome = DELIVERS[kind]
    assert not isinstance(outcome, Exception)
    assert [d.body for d in desk.context.ledger.deliveries()] == [outcome.body]
    desk.context.ledger.close()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("kind", PROVES_NOTHING)
def test_an_answer_after_sending_changes_nothing_only_the_chain_does(kind: str, chain: str, when: str) -> None:
    """I1, I9: the same header again, byte for byte, until the chain has proved the one or the other."""
    case = CHAINS[chain]
    seller = s.ScriptedSeller([PROVES_NOTHING[kind]])
    clock = s.FakeClock()
    look = s.ScriptedChain(case.view if when == "before" else lambda: None)
    desk = Payer(s.context(None, seller, look, clock))
    state, raised = carry(desk, reserved(desk))
    if when == "after":
        assert (state.money, raised) == (Money.EXPOSED, Unresolved)
        look.view = case.view
        clock.at += timedelta(seconds=600)
        state, raised = carry(desk, state)
    assert (state.money, raised) == (case.before if when == "before" else case.after)
    assert state.data is Data.ABSENT
    assert len({header.get("payment-signature") for header in seller.headers}) == 1
    assert seller.payments[0]["payload"]["authorization"]["nonce"] == state.nonce  # type: ignore[index]
    assert state.sends == 3
    assert state.claims == (3 if state.money is Money.SPENT else 0)
    desk.context.ledger.close()


@pytest.mark.parametrize(
    ("status", "delivered"),
    [(200, True), (402, False), (403, False), (404, False), (410, False), (422, False), (500, False)],
)
def test_a_claim_of_a_paid_body_takes_what_the_seller_then_gives(status: int, delivered: bool) -> None:
    """Money that is taken and answered by any 4xx is a loss (I12): nothing came, whatever the seller calls it."""
    seller = s.ScriptedSeller([NoAnswer("reset"), NoAnswer("reset"), NoAnswer("reset"), s.answer(status, b'{"a":1}')])
    desk = Payer(s.context(None, seller, s.ScriptedChain(CHAINS["used"].view)))
    state, raised = carry(desk, reserved(desk))
    assert (state.money, state.data is Data.DELIVERED) == (Money.SPENT, delivered)
    assert raised is (None if delivered else PaidUndelivered)
    desk.context.ledger.close()


def test_a_new_price_is_signed_over_the_same_nonce_and_the_larger_value_stays_reserved() -> None:
    """I1, I3: two signatures, one nonce; whichever the seller settles, it is one transfer inside the reserve."""
    seller = s.ScriptedSeller([s.challenge(p.PRICE + 4000), s.answer(200)])
    desk = Payer(s.context(None, seller, s.ScriptedChain(CHAINS["used"].view)))
    state, raised = carry(desk, reserved(desk))
    values = [pay["payload"]["authorization"] for pay in seller.payments]  # type: ignore[index]
    assert [v["value"] for v in values] == [str(p.PRICE), str(p.PRICE + 4000)]
    assert len({v["nonce"] for v in values}) == 1
    assert (state.data, state.reserved, raised) == (Data.DELIVERED, p.PRICE + 4000, None)
    quote = desk.context.ledger.quote(state.order.request.endpoint, state.asset)
    assert quote is not None
    assert quote.terms.amount == p.PRICE + 4000
    desk.context.ledger.close()


@pytest.mark.parametrize("kind", ["402-other-payee", "402-absurd-price"])
def test_new_terms_outside_policy_are_not_signed_and_the_message_says_what_was_asked(kind: str) -> None:
    """I6."""
    seller = s.ScriptedSeller([PROVES_NOTHING[kind]])
    desk = Payer(s.context(None, seller, s.ScriptedChain(CHAINS["unused"].view)))
    with pytest.raises(Unresolved, match=r"payTo|amount|price"):
        asyncio.run(desk.buy(reserved(desk)))
    desk.context.ledger.close()


def test_a_seller_that_was_never_reached_leaves_no_money_in_doubt() -> None:
    seller = s.ScriptedSeller([NotSent("connection refused")])
    desk = Payer(s.context(None, seller, s.ScriptedChain(CHAINS["unused"].view)))
    state, raised = carry(desk, reserved(desk))
    assert (state.money, raised) == (Money.VOID, SellerUnreachable)
    assert set(desk.context.ledger.committed(state.asset).values()) == {0}
    desk.context.ledger.close()


def test_a_send_that_left_stays_exposed_even_if_the_next_one_did_not() -> None:
    """I9."""
    seller = s.ScriptedSeller([NoAnswer("timed out"), NotSent("connection refused")])
    desk = Payer(s.context(None, seller, s.ScriptedChain(CHAINS["unused"].view)))
    state, raised = carry(desk, reserved(desk))
    assert (state.money, raised) == (Money.EXPOSED, Unresolved)
    desk.context.ledger.close()


def test_a_free_order_that_asks_for_money_is_refused_and_nothing_is_signed() -> None:
    """I6."""
    seller = s.ScriptedSeller([s.challenge()])
    desk = Payer(s.context(None, seller, s.ScriptedChain(CHAINS["unused"].view)))
    approved = asyncio.run(desk.approve(p.run(), [s.order(free=True)], {}))
    with pytest.raises(Refused, match="declared free and asked for money"):
        asyncio.run(desk.buy(approved.purchases[0]))
    assert seller.payments == []
    desk.context.ledger.close()


@pytest.mark.parametrize(
    "outcome",
    [NoAnswer("timed out"), NotSent("connection refused"), s.answer(503), s.answer(429)],
    ids=["timeout", "refused connection", "503", "429"],
)
def test_a_free_order_without_an_answer_is_unreachable_and_may_be_asked_for_again(outcome: s.Outcome) -> None:
    seller = s.ScriptedSeller([outcome, s.answer(200)])
    desk = Payer(s.context(None, seller, s.ScriptedChain(CHAINS["unused"].view)))

    def fetch() -> Purchase:
        [purchase] = asyncio.run(desk.approve(p.run(), [s.order(free=True)], {})).purchases
        return asyncio.run(desk.buy(purchase))

    with pytest.raises(SellerUnreachable) as caught:
        fetch()
    assert caught.value.exit_code == 6
    assert fetch().data is Data.DELIVERED
    desk.context.ledger.close()


def test_a_piece_bought_by_another_machine_is_booked_and_never_paid_beside() -> None:
    """I1: a lost ledger finds its nonce used, before anything is signed."""
    seller = s.ScriptedSeller([s.challenge(), s.answer(402)])
    desk = Payer(s.context(None, seller, s.ScriptedChain(CHAINS["used"].view)))
    order = s.order()

    async def buy() -> None:
        approved = await desk.approve(p.run(), [order], await desk.quote([order]))
        [purchase] = approved.purchases
        await desk.buy(purchase, approved.views[purchase.purchase_id])

    with pytest.raises(PaidUndelivered):
        asyncio.run(buy())
    [state] = desk.context.ledger.purchases()
    assert (state.money, state.spent, state.sends) == (Money.SPENT, p.PRICE, 0)
    assert state.settlement is not None
    desk.context.ledger.close()


def test_every_answer_is_kept_as_evidence() -> None:
    seller = s.ScriptedSeller([s.answer(500, b'{"why":"x"}'), NoAnswer("reset"), s.answer(200)])
    desk = Payer(s.context(None, seller, s.ScriptedChain(CHAINS["used"].view)))
    state, _ = carry(desk, reserved(desk))
    story = [event for event in desk.context.ledger.events(state.purchase_id) if isinstance(event, Answered)]
    assert [(event.status, event.note) for event in story] == [(500, '{"why":"x"}'), (None, "reset"), (200, "")]
    desk.context.ledger.close()


def test_a_second_process_waits_for_the_first_instead_of_presenting_beside_it() -> None:
    seller = s.ScriptedSeller([s.answer(200)])
    first = s.context(None, seller, s.ScriptedChain(CHAINS["used"].view))
    desk = Payer(first)
    purchase = reserved(desk)
    other_seller = s.ScriptedSeller([s.answer(500)])
    clock = s.FakeClock()
    other = replace(first, owner="another process", transport=other_seller, clock=clock)

    async def both() -> Purchase:
        bought = await desk.buy(purchase)
        assert await Payer(other).buy(purchase) == bought
        return bought

    assert asyncio.run(both()).data is Data.DELIVERED
    assert other_seller.payments == []
    first.ledger.close()
