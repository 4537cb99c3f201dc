"""A 402 whose terms differ from those that a payment was made for: what is kept as a quote, and what is sent then."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from msgspec import structs

from payer.buy.buy import buy
from payer.http.exchange import Answer, NoAnswer
from payer.payer import Payer
from payer.policy.file import parse_policy
from payer.values.chain_view import NonceState
from payer.values.errors import Interrupted, Unresolved
from payer.values.events import Event, Settled, Void
from payer.values.purchase import Data, Money, Purchase
from payer.values.request import Request
from tests.payer import purchases as p
from tests.payer import scripted as s
from tests.payer.buy.test_buy import CHAINS, carry, reserved

SECOND = "0x" + "33" * 20
BOTH = s.POLICY.replace(f'["{p.PAYEE}"]', f'["{p.PAYEE}", "{SECOND}"]')
DEARER = p.PRICE + 4000


def desk(seller: s.ScriptedSeller, chain: str = "used", policy: str = s.POLICY) -> Payer:
    context = s.context(None, seller, s.ScriptedChain(CHAINS[chain].view))
    object.__setattr__(context, "policy", parse_policy(policy))
    return Payer(context)


def authorizations(seller: s.ScriptedSeller) -> list[dict[str, Any]]:
    return [payment["payload"] for payment in seller.payments]  # type: ignore[misc]


ECHOES: dict[str, dict[str, Any]] = {
    "shorter-timeout": {"maxTimeoutSeconds": 60},
    "longer-timeout": {"maxTimeoutSeconds": 900},
    "extra-grows": {"extra": {"name": "USD Coin", "version": "2", "tier": "b"}},
    "extra-shrinks": {"extra": {}},
    "a-new-field": {"description": "now with a description"},
}


@pytest.mark.parametrize("change", ECHOES.values(), ids=ECHOES)
def test_terms_that_move_in_all_but_price_and_payee_are_echoed_around_the_same_authorization(
    change: dict[str, Any],
) -> None:
    """I1: the token sees the same bytes, so it is no second payment. v2 sellers compare the echo."""
    seller = s.ScriptedSeller([s.challenge(**change), s.answer(200)])
    at = desk(seller)
    state, raised = carry(at, reserved(at))
    first, second = authorizations(seller)
    assert first == second
    assert [name for name in change if seller.payments[1]["accepted"].get(name) == change[name]]  # type: ignore[attr-defined]
    assert (state.data, state.reserved, state.valid_until, raised) == (
        Data.DELIVERED,
        p.PRICE,
        int(first["authorization"]["validBefore"]),
        None,
    )


def test_another_listed_payee_is_signed_over_the_same_nonce() -> None:
    """I1, I6: a person allowed both, and one of the two can settle."""
    seller = s.ScriptedSeller([s.challenge(pay_to=SECOND), s.answer(200)])
    at = desk(seller, policy=BOTH)
    state, _ = carry(at, reserved(at))
    signed = [payload["authorization"] for payload in authorizations(seller)]
    assert [one["to"] for one in signed] == [p.PAYEE, SECOND]
    assert len({one["nonce"] for one in signed}) == 1
    assert (state.data, state.committed) == (Data.DELIVERED, p.PRICE)


@pytest.mark.parametrize("change", [{"amount": DEARER}, *ECHOES.values()], ids=["dearer", *ECHOES])
def test_the_newest_acceptable_terms_are_what_the_next_bill_shows(change: dict[str, Any]) -> None:
    """Also when they can't be reserved now, and for a purchase that is not presented again."""
    seller = s.ScriptedSeller([s.challenge(), s.challenge(**change)])
    at = desk(seller, "unused", s.POLICY.replace('per_run = "1.00"', 'per_run = "0.02"'))
    asyncio.run(at.quote([s.order()]))
    purchase = reserved(at)
    with pytest.raises(Unresolved):
        asyncio.run(at.buy(purchase))
    quotes = asyncio.run(at.quote([purchase.order]))
    told = quotes[purchase.order.request.endpoint].terms
    assert told.amount == change.get("amount", p.PRICE)
    assert told.accepted == s.accepted(**change)


def test_terms_outside_policy_are_not_remembered() -> None:
    """I6."""
    seller = s.ScriptedSeller([s.challenge(pay_to=SECOND)])
    at = desk(seller, "unused")
    purchase = reserved(at)
    carry(at, purchase)
    assert at.context.ledger.quote(purchase.order.request.endpoint, purchase.asset) is None


def test_terms_that_move_at_every_402_are_followed_a_bounded_number_of_times() -> None:
    """I1: an endless 402 signs one nonce and stops after one call's presents."""
    seller = s.ScriptedSeller([s.challenge(maxTimeoutSeconds=300 + n) for n in range(9)])
    at = desk(seller, "unused")
    _, raised = carry(at, reserved(at))
    assert raised is Unresolved
    assert len(seller.payments) == 3
    assert len({str(payload) for payload in authorizations(seller)}) == 1


def test_a_rising_price_is_measured_from_the_bill_not_from_the_last_402() -> None:
    """A quarter more is allowed above the base, not once per answer."""
    seller = s.ScriptedSeller([s.challenge(p.PRICE), s.challenge(25_000), s.challenge(31_250)])
    at = desk(seller, "unused")
    order = s.order()

    async def run() -> None:
        [purchase] = (await at.approve(p.run(), [order], await at.quote([order]))).purchases
        await at.buy(purchase)

    with pytest.raises(Unresolved, match=r"price_drift over the base price, 0\.02 USDC"):
        asyncio.run(run())
    assert {int(payload["authorization"]["value"]) for payload in authorizations(seller)} == {p.PRICE, 25_000}


def test_a_body_is_claimed_with_the_signature_that_was_settled_not_with_the_latest() -> None:
    """A seller that serves a payment again knows the one that it took."""
    seller = s.ScriptedSeller([s.challenge(DEARER), NoAnswer("reset"), NoAnswer("reset"), s.answer(500), s.answer(200)])
    at = desk(seller)
    state, _ = carry(at, reserved(at))
    values = [int(payload["authorization"]["value"]) for payload in authorizations(seller)]
    assert values == [p.PRICE, DEARER, DEARER, p.PRICE, p.PRICE]
    assert len({str(payload) for payload in authorizations(seller)}) == 2
    assert (state.money, state.data, state.spent) == (Money.SPENT, Data.DELIVERED, p.PRICE)


LATE: dict[str, tuple[Event, ...]] = {
    "spent": (Settled(at=p.NOW, settlement=p.settlement()),),
    "spent-not-final": (Settled(at=p.NOW, settlement=p.settlement(final=False)),),
    "void": (Void(at=p.NOW, reason="proved dead", proof_block=9),),
    "spent-delivered": (Settled(at=p.NOW, settlement=p.settlement()), p.delivered()),
    "void-delivered": (Void(at=p.NOW, reason="proved dead", proof_block=9), p.delivered()),
}


@pytest.mark.parametrize("meanwhile", LATE.values(), ids=LATE)
def test_new_terms_that_come_when_another_process_has_booked_the_purchase_sign_nothing(
    meanwhile: tuple[Event, ...],
) -> None:
    """I1: what is spent, void or delivered is never signed again, and what was booked stands."""
    seller = Booked([s.challenge(DEARER), s.answer(500)], meanwhile)
    seller.desk = desk(seller)
    state, _ = carry(seller.desk, reserved(seller.desk))
    assert {int(payload["authorization"]["value"]) for payload in authorizations(seller)} == {p.PRICE}
    assert (state.money, state.data) == (seller.booked.money, seller.booked.data)
    quote = seller.desk.context.ledger.quote(state.order.request.endpoint, state.asset)
    assert quote is not None
    assert quote.terms.amount == DEARER


class Booked(s.ScriptedSeller):
    """While the first answer is on its way another process books the purchase."""

    def __init__(self, script: list[s.Outcome], meanwhile: tuple[Event, ...]) -> None:
        super().__init__(script)
        self.meanwhile = meanwhile
        self.desk: Payer
        self.booked: Purchase

    async def send(self, *args: Any, **kwargs: Any) -> Any:
        if self.meanwhile:
            [held] = self.desk.context.ledger.purchases()
            body = s.body() if held and any(isinstance(e, type(p.delivered())) for e in self.meanwhile) else None
            self.booked = self.desk.context.ledger.append(held, *self.meanwhile, body=body)
            self.meanwhile = ()
        return await super().send(*args, **kwargs)


def test_a_failure_that_nobody_foresaw_ends_one_purchase_and_loses_no_other_answer() -> None:
    """I4: whoever awaits many purchases together would otherwise cancel those whose answers are on their way."""
    seller = s.ScriptedSeller([s.answer(200)])
    at = desk(seller)
    [bad, good] = [reserved(at, number) for number in range(2)]
    broken = structs.replace(bad, terms=None)

    async def both() -> list[Any]:
        return await asyncio.gather(buy(at.context, broken), buy(at.context, good), return_exceptions=True)

    failed, bought = asyncio.run(both())
    assert (type(failed).__name__, failed.exit_code) == ("Unforeseen", 4)
    assert "AssertionError while it was bought" in failed.what
    assert bought.data is Data.DELIVERED


def test_a_seller_that_has_nothing_is_asked_once_and_the_message_says_so() -> None:
    """An SDK seller settles nothing for a 404: presenting on and on would not change its mind. The proof frees it."""
    seller = s.ScriptedSeller([s.answer(404, b'{"message":"no data"}')])
    clock = s.FakeClock()
    chain = s.ScriptedChain(lambda: s.chain_view(NonceState.UNUSED))
    at = Payer(s.context(None, seller, chain, clock))
    purchase = reserved(at)
    with pytest.raises(Unresolved, match="the seller's last answer: status 404"):
        asyncio.run(at.buy(purchase))
    assert len(seller.payments) == 1
    chain.view = lambda: s.chain_view(NonceState.UNUSED, final_time=p.VALID_BEFORE + 600)
    clock.at += timedelta(seconds=600)
    recovered = asyncio.run(at.recover())
    assert [(one.money, one.committed) for one in recovered.voided] == [(Money.VOID, 0)]
    assert len(seller.payments) == 1


@pytest.mark.parametrize(
    ("second", "same"), [(NoAnswer("reset"), True), ("dearer", False), ("echo", False)], ids=["again", "dearer", "echo"]
)
def test_each_payload_has_its_own_payment_identifier_and_keeps_it_when_presented_again(
    second: s.Outcome | str, same: bool
) -> None:
    """A seller that honours identifiers answers 409 to one that comes with another payload."""
    ids = {"payment-identifier": {"info": {"required": False}}}
    moved = {
        "dearer": s.challenge(DEARER, extensions=ids),
        "echo": s.challenge(extensions=ids, maxTimeoutSeconds=60),
    }
    answer = moved[second] if isinstance(second, str) else second
    seller = s.ScriptedSeller([s.challenge(extensions=ids), answer, s.answer(500)])
    at = desk(seller, "unused")
    carry(at, reserved(at))
    declared = [payment["extensions"]["payment-identifier"] for payment in seller.payments[1:]]  # type: ignore[index]
    first, later = (extension["info"]["id"] for extension in declared)
    assert (first == later) is same


ANY = s.POLICY.replace(f'pay_to = ["{p.PAYEE}"]', 'pay_to = "any"')


def paid_to(seller: s.ScriptedSeller) -> list[str]:
    return [payload["authorization"]["to"] for payload in authorizations(seller)]


class TestAnyPayee:
    """A seller that makes a new address for each payment, and knows an old one no more."""

    def test_terms_are_asked_for_again_for_each_payment_and_their_payee_is_signed(self) -> None:
        seller = s.ScriptedSeller([s.challenge(pay_to=SECOND), s.answer(200)])
        at = desk(seller, policy=ANY)
        state, raised = carry(at, reserved(at))
        assert (paid_to(seller), len(seller.headers)) == ([SECOND], 2)
        assert (state.data, state.committed, raised) == (Data.DELIVERED, p.PRICE, None)

    def test_a_payee_that_moves_while_it_is_paid_is_signed_over_the_same_nonce(self) -> None:
        third = "0x" + "44" * 20
        seller = s.ScriptedSeller([s.challenge(pay_to=SECOND), s.challenge(pay_to=third), s.answer(200)])
        at = desk(seller, policy=ANY)
        state, _ = carry(at, reserved(at))
        nonces = {payload["authorization"]["nonce"] for payload in authorizations(seller)}
        assert (paid_to(seller), len(nonces), state.committed) == ([SECOND, third], 1, p.PRICE)

    @pytest.mark.parametrize(
        "first",
        [s.challenge(DEARER, pay_to=SECOND), s.challenge(10**9, pay_to=SECOND), s.answer(500), NoAnswer("lost")],
        ids=["dearer than reserved", "over every cap", "no terms", "no answer"],
    )
    def test_without_fresh_terms_within_what_is_reserved_the_reserved_ones_are_signed(
        self, first: Answer | NoAnswer
    ) -> None:
        """I3: nothing above the reservation is signed before its caps were checked."""
        seller = s.ScriptedSeller([first, s.answer(200)])
        at = desk(seller, policy=ANY)
        state, _ = carry(at, reserved(at))
        assert (paid_to(seller), state.committed) == ([p.PAYEE], p.PRICE)

    def test_a_run_that_is_stopped_while_terms_are_asked_for_signs_nothing(self) -> None:
        """I11: nothing has begun yet."""
        seller = s.ScriptedSeller([s.challenge(pay_to=SECOND), s.answer(200)])
        at = desk(seller, policy=ANY)
        send = seller.send

        async def stopping(request: Request, headers: Mapping[str, str], *, timeout: float) -> Answer:
            at.context.stop.request()
            return await send(request, headers, timeout=timeout)

        seller.send = stopping  # type: ignore[method-assign]
        state, raised = carry(at, reserved(at))
        assert (raised, state.money, len(seller.headers), seller.payments) == (Interrupted, Money.RESERVED, 1, [])

    def test_no_other_seller_is_asked_again(self) -> None:
        seller = s.ScriptedSeller([s.answer(200)])
        at = desk(seller)
        carry(at, reserved(at))
        assert len(seller.headers) == len(seller.payments) == 1


def test_a_paid_answer_is_kept_out_of_every_cache_on_its_way() -> None:
    """*Five Attacks on x402*, cache leakage: a shared cache would hand a paid body to others, or an old one to us."""
    seller = s.ScriptedSeller([s.answer(200)])
    at = desk(seller)
    carry(at, reserved(at))
    assert [sent["cache-control"] for sent in seller.headers if "payment-signature" in sent] == ["no-store"]


def test_a_dearer_price_that_crosses_a_cap_is_not_signed_though_it_is_no_drift() -> None:
    """I3: the raised reservation is checked in the transaction that would sign it."""
    seller = s.ScriptedSeller([s.challenge(p.PRICE + 1), s.answer(200)])
    at = desk(seller, policy=tight_day(p.PRICE))
    state, _ = carry(at, reserved(at))
    assert {one["authorization"]["value"] for one in authorizations(seller)} == {str(p.PRICE)}
    assert state.committed == p.PRICE


def tight_day(amount: int) -> str:
    """The policy with a day's cap of so many atomic units."""
    text, found = re.subn(r'per_day = "[^"]*"', f'per_day = "{amount / 10**6:.6f}"', s.POLICY, count=1)
    assert found == 1
    return text


OTHER_TOKEN = "0x" + "ee" * 20
OTHER_RAIL = f"""
[assets.EURC]
address = "{OTHER_TOKEN}"
eip712_name = "EURC"
eip712_version = "2"
decimals = 6

[caps.EURC]
per_call = "0.10"
per_run = "1.00"
per_flow_day = "2.00"
per_day = "5.00"
per_month = "50.00"
"""


def paid_with(rail: str, policy: str = s.POLICY) -> str:
    """A policy of two assets, of which the seller is paid with this one."""
    return policy.replace('pay_with = "USDC"', f'pay_with = "{rail}"') + OTHER_RAIL


def in_euros(amount: int = p.PRICE, **changes: Any) -> Answer:
    return s.challenge(amount, asset=OTHER_TOKEN, extra={"name": "EURC", "version": "2"}, **changes)


@pytest.mark.parametrize("amount", [p.PRICE, DEARER, p.PRICE - 1], ids=["same", "dearer", "cheaper"])
def test_a_payment_in_doubt_is_never_signed_again_in_another_asset(amount: int) -> None:
    """I1: over the same nonce, another token would take a second payment. An operator changed `pay_with` meanwhile."""
    seller = s.ScriptedSeller([NoAnswer("lost")])
    before = desk(seller, chain="unused", policy=paid_with("USDC"))
    doubtful, _ = carry(before, reserved(before))
    sent = len(seller.payments)
    seller.script[:] = [in_euros(amount), s.answer(200)]
    now = Payer(replace(before.context, policy=parse_policy(paid_with("EURC"))))
    state, _ = carry(now, doubtful)
    assert len(seller.payments) == sent + 2
    assert all(payload == authorizations(seller)[0] for payload in authorizations(seller))
    assert {payment["accepted"]["asset"] for payment in seller.payments} == {p.USDC.address}  # type: ignore[index]
    assert (state.data, state.committed, state.terms and state.terms.asset) == (Data.DELIVERED, p.PRICE, p.USDC)


def test_terms_in_another_asset_are_not_signed_for_what_is_reserved_in_this_one() -> None:
    """A seller of any payee is asked once more before it is paid: by then its rail may be another."""
    seller = s.ScriptedSeller([in_euros(pay_to=SECOND), s.answer(200)])
    at = desk(seller, policy=paid_with("USDC", ANY))
    purchase = reserved(at)
    state, _ = carry(Payer(replace(at.context, policy=parse_policy(paid_with("EURC", ANY)))), purchase)
    assert (paid_to(seller), state.committed) == ([p.PAYEE], p.PRICE)
    assert {payment["accepted"]["asset"] for payment in seller.payments} == {p.USDC.address}  # type: ignore[index]
