"""A freeze stops what is signed next and finishes what is on its way; a stricter policy stops presenting again."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from payer.buy.send import sign
from payer.http.exchange import NoAnswer
from payer.ledger import Ledger
from payer.ledger.refused_sellers import EVERY_SELLER, Freeze
from payer.payer import Payer
from payer.values.chain_view import NonceState
from payer.values.errors import Frozen, Refused, Unresolved
from payer.values.events import Sent, Settled
from payer.values.purchase import Data, Money, Purchase
from tests.payer import purchases as p
from tests.payer import scripted as s

FREEZE = Freeze("s", p.NOW, "ann", "")
UNUSED = s.chain_view(NonceState.UNUSED)
LATE = int(p.NOW.timestamp()) + 600


def desk(seller: s.ScriptedSeller) -> Payer:
    return Payer(s.context(None, seller, s.ScriptedChain(lambda: UNUSED)))


def approve(at: Payer, *numbers: int) -> list[Purchase]:
    orders = [s.order(number) for number in numbers]

    async def work() -> list[Purchase]:
        return (await at.approve(p.run(), orders, await at.quote(orders))).purchases

    return asyncio.run(work())


def test_what_was_approved_before_a_freeze_is_not_signed_and_frees_its_caps() -> None:
    seller = s.ScriptedSeller([s.challenge(), s.answer(200)])
    at = desk(seller)
    first, second = approve(at, 1, 2)
    asyncio.run(at.buy(first))
    at.context.ledger.freeze(FREEZE)
    with pytest.raises(Frozen, match="s is frozen since"):
        asyncio.run(at.buy(second))
    latest = at.context.ledger.get(second.purchase_id)
    assert latest is not None
    assert (latest.money, latest.committed, len(seller.payments)) == (Money.VOID, 0, 1)
    at.context.ledger.unfreeze("s")
    [again] = approve(at, 2)
    assert asyncio.run(at.buy(again)).data is Data.DELIVERED


def test_a_payment_on_its_way_is_presented_again_and_delivered_under_a_freeze() -> None:
    seller = s.ScriptedSeller([s.challenge(), s.answer(500), s.answer(200)])
    at = desk(seller)
    [purchase] = approve(at, 1)
    ledger, sent = at.context.ledger, seller.send

    async def freezing(*args: object, **rest: object) -> object:
        answer = await sent(*args, **rest)  # type: ignore[arg-type]
        ledger.freeze(FREEZE)
        return answer

    seller.send = freezing  # type: ignore[method-assign,assignment]
    assert asyncio.run(at.buy(purchase)).data is Data.DELIVERED
    assert len(seller.payments) == 2
    assert seller.payments[0] == seller.payments[1]


def test_another_price_is_not_signed_under_a_freeze_and_the_old_payment_stays_in_doubt() -> None:
    seller = s.ScriptedSeller([s.challenge(), s.challenge(p.PRICE + 1)])
    at = desk(seller)
    [purchase] = approve(at, 1)
    ledger, sent = at.context.ledger, seller.send

    async def freezing(*args: object, **rest: object) -> object:
        ledger.freeze(FREEZE)
        return await sent(*args, **rest)  # type: ignore[arg-type]

    seller.send = freezing  # type: ignore[method-assign,assignment]
    with pytest.raises(Unresolved):
        asyncio.run(at.buy(purchase))
    [held] = ledger.purchases()
    assert (held.money, held.reserved) == (Money.EXPOSED, p.PRICE)
    values = {payment["payload"]["authorization"]["value"] for payment in seller.payments}  # type: ignore[index]
    assert values == {str(p.PRICE)}


def test_what_another_machine_paid_is_not_claimed_with_a_new_signature_under_a_freeze() -> None:
    """A chain server that says "used" could else have new money signed."""
    seller = s.ScriptedSeller([s.challenge(), s.answer(200)])
    at = desk(seller)
    [purchase] = approve(at, 1)
    spent = at.context.ledger.append(purchase, Settled(at=p.NOW, settlement=p.settlement()), lease=purchase.lease)
    at.context.ledger.freeze(replace(FREEZE, seller=EVERY_SELLER))
    with pytest.raises(Frozen, match="every seller is frozen"):
        asyncio.run(at.buy(spent))
    assert seller.payments == []
    at.context.ledger.unfreeze(EVERY_SELLER)
    assert asyncio.run(at.buy(spent)).data is Data.DELIVERED


def _sign_until_frozen(url: str, started: object, ended: object) -> None:
    with Ledger.open(url) as ledger:
        for number in range(100_000):
            try:
                [held] = ledger.reserve(p.run(f"run-{number}"), [p.wanted(number, 1)], p.CAPS, p.LEASE)
                ledger.append(held, p.signed(held, 1), Sent(at=datetime.now(UTC)))
            except Frozen:
                ended.value = time.time()  # type: ignore[attr-defined]
                return
            started.set()  # type: ignore[attr-defined]


def test_a_worker_that_signs_all_the_time_stops_within_a_second(ledger_url: str) -> None:
    with Ledger.open(ledger_url) as ledger:
        context = multiprocessing.get_context("spawn")
        started, ended = context.Event(), context.Value("d", 0.0)
        worker = context.Process(target=_sign_until_frozen, args=(ledger_url, started, ended))
        worker.start()
        assert started.wait(60)
        ledger.freeze(FREEZE)
        frozen, signed = time.time(), ledger.last_seq()
        worker.join(60)
        assert worker.exitcode == 0
        assert 0 < ended.value - frozen < 1 or ended.value <= frozen
        exposed = [one for one in ledger.purchases() if one.money is Money.EXPOSED]
        assert exposed
        later = [
            one for one in exposed for event in ledger.events(one.purchase_id)[1:] if event.at.timestamp() > frozen
        ]
        assert later == [], f"signed after {signed}"


STRICTER = {
    "its-payee-removed": (f'"{p.PAYEE}"', '"0x' + "33" * 20 + '"', "sellers.s.pay_to no longer allows"),
    "a-call-may-cost-less": ('per_call = "0.10"', 'per_call = "0.01"', "caps.USDC.per_call is 0.01 USDC"),
    "another-host": (":9/v2", ":8/v2", "sellers.s.base_url no longer holds"),
    "the-seller-removed": ("[sellers.s]", "[sellers.t]", "policy no longer names"),
}


@pytest.mark.parametrize(("before", "after", "says"), STRICTER.values(), ids=STRICTER)
def test_a_stricter_policy_stops_presenting_and_waits_for_proof(before: str, after: str, says: str) -> None:
    """I6: money is free only once the authorization is dead by proof."""
    seller = s.ScriptedSeller([s.challenge(), NoAnswer("timed out")])
    context = s.context(None, seller, s.ScriptedChain(lambda: UNUSED))
    [purchase] = approve(Payer(context), 1)
    assert purchase.terms is not None
    sent = sign(context, purchase, purchase.terms)
    seller.headers.clear()
    stricter = s.policy(s.POLICY.replace(before, after))
    at = Payer(replace(context, policy=stricter))
    with pytest.raises(Unresolved, match=says):
        asyncio.run(at.buy(sent))
    told = asyncio.run(at.recover()).in_doubt
    assert says in told[0][1]
    assert (seller.headers, context.ledger.purchases()[0].money) == ([], Money.EXPOSED)
    dead = s.ScriptedChain(lambda: s.chain_view(NonceState.UNUSED, final_time=LATE))
    assert isinstance(context.clock, s.FakeClock)
    context.clock.at += timedelta(hours=1)
    [void] = asyncio.run(Payer(replace(context, policy=stricter, chain=dead)).recover()).voided
    assert (void.money, seller.headers) == (Money.VOID, [])


def test_a_body_that_was_paid_for_is_claimed_although_policy_would_not_pay_it_again() -> None:
    seller = s.ScriptedSeller([s.challenge(), s.answer(200)])
    context = s.context(None, seller, s.ScriptedChain(lambda: UNUSED))
    [purchase] = approve(Payer(context), 1)
    assert purchase.terms is not None
    sent = sign(context, purchase, purchase.terms)
    spent = context.ledger.append(sent, Settled(at=p.NOW, settlement=p.settlement()), lease=sent.lease)
    stricter = s.policy(s.POLICY.replace('per_call = "0.10"', 'per_call = "0.01"'))
    assert asyncio.run(Payer(replace(context, policy=stricter)).buy(spent)).data is Data.DELIVERED


def test_a_reservation_that_policy_no_longer_allows_is_void_and_nothing_was_signed() -> None:
    seller = s.ScriptedSeller([s.challenge(), s.answer(200)])
    context = s.context(None, seller, s.ScriptedChain(lambda: UNUSED))
    [purchase] = approve(Payer(context), 1)
    stricter = s.policy(s.POLICY.replace('per_call = "0.10"', 'per_call = "0.01"'))
    with pytest.raises(Refused, match=r"per_call is 0\.01 USDC"):
        asyncio.run(Payer(replace(context, policy=stricter)).buy(purchase))
    [held] = context.ledger.purchases()
    assert (held.money, seller.payments) == (Money.VOID, [])
