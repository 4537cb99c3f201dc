"""Quoting and reserving: which terms count, what price drift is measured from, and earlier reservations."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from payer.http.exchange import Answer, NoAnswer
from payer.payer import Payer
from payer.policy.file import parse_policy
from payer.values.errors import OverBudget, PayerError, QuoteUnacceptable, SellerUnreachable
from payer.values.purchase import Data, Money, Purchase
from payer.values.terms import Quote
from tests.payer import purchases as p
from tests.payer import scripted as s
from tests.payer.buy.test_buy import CHAINS

OTHER = "0x" + "33" * 20
ASKED_EACH_TIME = "[payment]\nquote_max_age = 0\n" + s.POLICY
FIRST_USE = s.POLICY.replace(f'pay_to = ["{p.PAYEE}"]', 'pay_to = "first-use"')


def desk(seller: s.ScriptedSeller, policy: str = s.POLICY, chain: str = "used", **changes: Any) -> Payer:
    context = s.context(None, seller, s.ScriptedChain(CHAINS[chain].view))
    return Payer(replace(context, policy=parse_policy(policy), **changes))


def wait(at: Payer, seconds: float = 1) -> None:
    assert isinstance(at.context.clock, s.FakeClock)
    at.context.clock.at += timedelta(seconds=seconds)


def approve(at: Payer, number: int = 0, /, *, run: str = "run-1", **changes: Any) -> Purchase:
    """Quote one piece and reserve it."""
    wait(at)

    async def work() -> Purchase:
        order = s.order(number)
        return (await at.approve(p.run(run, **changes), [order], await at.quote([order]))).purchases[0]

    return asyncio.run(work())


@pytest.mark.parametrize(
    ("answer", "raised", "says"),
    [
        (s.answer(200, b"<html><title>Hotel</title>"), SellerUnreachable, "a web page .*: an HTML page: Hotel"),
        (s.answer(302, b"<html>"), SellerUnreachable, "answered 302 .* web page"),
        (s.answer(503, b"<html>"), SellerUnreachable, "answered 503 .*: an HTML page"),
        (s.answer(404, b"<html><title>No page</title>"), QuoteUnacceptable, "answered 404 .*: an HTML page: No page"),
        (s.answer(422, b'{"error":"window too long"}'), QuoteUnacceptable, "answered 422 .*: window too long"),
        (s.answer(200, b'{"data":[]}'), QuoteUnacceptable, "without asking for money"),
    ],
    ids=["portal", "portal-redirect", "busy-page", "wrong-path", "error", "free"],
)
def test_what_answers_in_place_of_terms_is_named(answer: Answer, raised: type[PayerError], says: str) -> None:
    with pytest.raises(raised, match=says):
        asyncio.run(desk(s.ScriptedSeller([answer])).quote([s.order()]))


def test_terms_in_whole_headers_count_although_the_body_broke_off() -> None:
    """x402 v2: the header alone holds them."""
    offered = replace(s.challenge(), body=b'{"detail": "pay', cut=True)
    seller = s.ScriptedSeller([NoAnswer("closed before the answer was whole", offered)])
    [quote] = asyncio.run(desk(seller).quote([s.order()])).values()
    assert (quote.terms.amount, quote.terms.pay_to) == (p.PRICE, p.PAYEE)
    assert len(seller.headers) == 1


@pytest.mark.parametrize(
    "begun",
    [None, s.answer(402, b'{"x402Version": 1, "acce'), replace(s.challenge(), status=200)],
    ids=["nothing", "terms in the body", "no 402"],
)
def test_without_whole_terms_an_answer_that_broke_off_is_none(begun: Answer | None) -> None:
    seller = s.ScriptedSeller([NoAnswer("closed before the answer was whole", begun)])
    with pytest.raises(SellerUnreachable, match=r"did not answer at .*: closed before the answer was whole"):
        asyncio.run(desk(seller).quote([s.order()]))


class TestFirstUse:
    def test_the_payee_that_another_process_pinned_first_is_the_one_that_counts(self) -> None:
        """I6: both asked at once; what the second one was told is neither kept nor signed."""
        seller = s.ScriptedSeller([s.challenge(pay_to=OTHER)])
        at = desk(seller, FIRST_USE)
        ledger, pin = at.context.ledger, at.context.ledger.pin_payee

        def beaten(name: str, asset: Any, pay_to: str, when: Any) -> str:
            pin(name, asset, p.PAYEE, when)
            return pin(name, asset, pay_to, when)

        ledger.pin_payee = beaten  # type: ignore[method-assign]
        with pytest.raises(QuoteUnacceptable, match=f"payTo: the seller offers {OTHER}; allowed is {p.PAYEE}"):
            asyncio.run(at.quote([s.order()]))
        assert ledger.quote(s.order().request.endpoint, p.USDC) is None

    def test_a_kept_quote_whose_payee_is_not_the_pinned_one_is_not_used(self) -> None:
        """I6: written before the pin was, it would else be signed until it is old."""
        seller = s.ScriptedSeller([s.challenge(pay_to=OTHER), s.challenge()])
        listed = s.POLICY.replace(f'["{p.PAYEE}"]', f'["{p.PAYEE}", "{OTHER}"]')
        at = desk(seller, listed)
        at.context.ledger.pin_payee("s", p.USDC, p.PAYEE, p.NOW)
        asyncio.run(at.quote([s.order()]))
        later = Payer(replace(at.context, policy=parse_policy(FIRST_USE)))
        [quote] = asyncio.run(later.quote([s.order()])).values()
        assert (quote.terms.pay_to, len(seller.headers)) == (p.PAYEE, 2)

    def test_a_seller_that_may_name_any_payee_has_none_pinned_and_its_quotes_are_kept(self) -> None:
        """A payee paid under "any" is none that a later "first-use" could trust."""
        seller = s.ScriptedSeller([s.challenge(pay_to=OTHER)])
        at = desk(seller, FIRST_USE.replace("first-use", "any"))
        for _ in range(2):
            [quote] = asyncio.run(at.quote([s.order()])).values()
            assert quote.terms.pay_to == OTHER
        assert (len(seller.headers), at.context.ledger.payee("s", p.USDC)) == (1, None)

    def test_a_402_that_was_cut_says_so(self) -> None:
        seller = s.ScriptedSeller([replace(s.answer(402, b'{"x402Version":1,'), cut=True)])
        with pytest.raises(QuoteUnacceptable, match="was cut there"):
            asyncio.run(desk(seller).quote([s.order()]))


class TestDrift:
    def test_plans_that_are_never_bought_do_not_move_what_a_price_is_measured_from(self) -> None:
        """A seller could else raise by a quarter per look, up to the cap of a call."""
        seller = s.ScriptedSeller([s.challenge(p.PRICE), s.challenge(25_000), s.challenge(25_001)])
        at = desk(seller, ASKED_EACH_TIME)
        for _ in range(2):
            asyncio.run(at.quote([s.order()]))
            wait(at)
        with pytest.raises(QuoteUnacceptable, match=r"price_drift over the base price, 0\.02 USDC"):
            asyncio.run(at.quote([s.order()]))

    def test_a_price_does_not_climb_a_quarter_at_a_time_for_ever(self) -> None:
        """From 0.020 to 0.095 in seven runs, before there was a fixed base."""
        prices = [p.PRICE, 25_000, 25_001, 31_250]
        at = desk(s.ScriptedSeller([s.challenge(price) for price in prices]), ASKED_EACH_TIME, chain="unused")
        assert [approve(at, n, run=f"run-{n}").reserved for n in range(2)] == [20_000, 25_000]
        for n in range(2, 4):
            with pytest.raises(QuoteUnacceptable, match=r"price_drift over the base price, 0\.02 USDC") as refused:
                approve(at, n, run=f"run-{n}")
            assert "tollbook accept-price" in refused.value.fix

    def test_the_ordinary_price_comes_back_after_a_promotional_one(self) -> None:
        prices = [p.PRICE, 1_000, p.PRICE, 25_000]
        at = desk(s.ScriptedSeller([s.challenge(price) for price in prices]), ASKED_EACH_TIME, chain="unused")
        assert [approve(at, n, run=f"run-{n}").reserved for n in range(4)] == prices

    def test_a_price_that_was_low_for_longer_than_a_month_may_come_back_to_the_base_and_no_further(self) -> None:
        prices = [p.PRICE, 1_000, p.PRICE + 1, p.PRICE]
        at = desk(s.ScriptedSeller([s.challenge(price) for price in prices]), ASKED_EACH_TIME, chain="unused")
        approve(at, 0, run="run-0", at=p.NOW)
        wait(at, 31 * 86_400)
        approve(at, 1, run="run-1", at=at.context.clock.now())
        with pytest.raises(QuoteUnacceptable, match=r"dearest of the last 30 days, 0\.001 USDC"):
            approve(at, 2, run="run-2")
        assert approve(at, 3, run="run-3", at=at.context.clock.now()).reserved == p.PRICE

    def test_an_operator_moves_the_base_to_the_price_that_is_offered(self) -> None:
        seller = s.ScriptedSeller([s.challenge(price) for price in (p.PRICE, 40_000, 40_000, 50_000, 50_001)])
        at = desk(seller, ASKED_EACH_TIME, chain="unused")
        approve(at, 0)
        with pytest.raises(QuoteUnacceptable):
            approve(at, 1)
        offered = asyncio.run(at.offered_price(s.order()))
        at.context.ledger.accept_price(Quote(s.order().request.endpoint, "s", offered, at.context.clock.now()))
        assert approve(at, 2).reserved == 50_000
        with pytest.raises(QuoteUnacceptable, match=r"over the base price, 0\.04 USDC"):
            approve(at, 3)

    @pytest.mark.parametrize(
        ("keys", "highest", "key"),
        [
            ("", 25_000, "caps.USDC.price_drift"),
            ('price_drift = "0.10"\n', 22_000, "sellers.s.price_drift"),
            (
                '[sellers.s.datasets."tm-grade"]\nprice_drift = "0"\n',
                20_000,
                'sellers.s.datasets."tm-grade".price_drift',
            ),
            ('price_drift = "0"\n[sellers.s.datasets.other]\nprice_drift = "9"\n', 20_000, "sellers.s.price_drift"),
            (
                'price_drift = "0"\n[sellers.s.datasets.tm-grade]\nprice_drift = "0.50"\n',
                30_000,
                'sellers.s.datasets."tm-grade".price_drift',
            ),
        ],
    )
    def test_the_nearest_key_of_policy_says_how_far_a_price_may_rise(self, keys: str, highest: int, key: str) -> None:
        prices = [p.PRICE, highest + 1, highest]
        seller = s.ScriptedSeller([s.challenge(price) for price in prices])
        at = desk(seller, ASKED_EACH_TIME + keys, chain="unused")
        approve(at, 0)
        with pytest.raises(QuoteUnacceptable, match=re.escape(key)):
            approve(at, 1)
        assert approve(at, 2).reserved == highest

    def test_a_bill_judged_before_a_cheaper_one_was_reserved_is_judged_again(self) -> None:
        """I6: checked in the transaction that reserves, as the caps are."""
        seller = s.ScriptedSeller([s.challenge(24_000), s.challenge(16_000)])
        at = desk(seller, ASKED_EACH_TIME, chain="unused")
        dear = asyncio.run(at.quote([s.order(2)]))
        cheap = {name: replace(quote, terms=replace(quote.terms, amount=16_000)) for name, quote in dear.items()}
        asyncio.run(at.approve(p.run("run-2"), [s.order(3)], cheap))
        with pytest.raises(OverBudget, match=r"0\.024 USDC is more than caps\.USDC\.price_drift .*, 0\.016 USDC"):
            asyncio.run(at.approve(p.run("run-3"), [s.order(2)], dear))
        assert [one.reserved for one in at.context.ledger.purchases()] == [16_000]


def elsewhere(at: Payer, **changes: Any) -> Payer:
    """Another process at the same ledger."""
    return Payer(replace(at.context, owner="another process", **changes))


class TestLeftReservations:
    """Reserved, and its process is gone: its terms were judged, and its caps counted, then."""

    def test_it_is_reserved_again_for_the_run_that_wants_it_now(self) -> None:
        """I3: and counted in its buckets."""
        at = desk(s.ScriptedSeller([s.challenge()]), chain="unused")
        approve(elsewhere(at), run="dead")
        wait(at, 131)
        again = approve(at, run="mine", flow="signals")
        assert (again.run.run_id, again.money, again.reserved) == ("mine", Money.RESERVED, p.PRICE)
        held = {bucket: amount for bucket, amount in at.context.ledger.committed(p.USDC).items() if amount}
        assert set(held) == {
            ("run", "mine"), ("flow_day", "signals/2026-11-22"), ("day", "2026-11-22"), ("month", "2026-11"),
            ("seller_day", "s/2026-11-22"), ("seller_month", "s/2026-11"),
        }  # fmt: skip
        assert set(held.values()) == {p.PRICE}

    def test_it_counts_against_this_runs_own_budget(self) -> None:
        """I3: --max-cost 0.02 can't spend what a dead run had reserved."""
        at = desk(s.ScriptedSeller([s.challenge()]), chain="unused")
        for number in range(3):
            approve(elsewhere(at), number, run="dead")
        wait(at, 131)
        orders = [s.order(number) for number in range(3)]

        async def all_three() -> None:
            await at.approve(p.run("mine", budget=20_000), orders, await at.quote(orders))

        with pytest.raises(OverBudget, match=r"--max-cost is 0\.02 USDC"):
            asyncio.run(all_three())
        assert {one.run.run_id for one in at.context.ledger.purchases()} == {"dead"}

    def test_terms_that_policy_allows_no_more_are_not_signed(self) -> None:
        """I6."""
        seller = s.ScriptedSeller([s.challenge(), s.challenge(pay_to=OTHER), s.answer(200)])
        at = desk(seller, chain="unused")
        approve(elsewhere(at))
        wait(at, 131)
        strict = Payer(replace(at.context, policy=parse_policy(s.POLICY.replace(p.PAYEE, OTHER))))
        purchase = approve(strict, run="mine")
        asyncio.run(strict.buy(purchase))
        assert [payment["payload"]["authorization"]["to"] for payment in seller.payments] == [OTHER]  # type: ignore[index]

    def test_a_living_process_is_waited_for_and_its_leftovers_are_given_back(self) -> None:
        """Not signed as they are: the caller reserves them again."""
        seller = s.ScriptedSeller([s.challenge()])
        at = desk(seller, chain="unused")
        theirs = approve(elsewhere(at), run="theirs")
        mine = approve(at, run="mine")
        assert mine == theirs
        after = asyncio.run(at.buy(mine))
        assert (after.money, after.data, seller.payments) == (Money.VOID, Data.ABSENT, [])
        assert at.context.clock.now() >= p.NOW + timedelta(seconds=90)

    def test_what_a_living_process_reserved_is_not_released_by_another(self) -> None:
        at = desk(s.ScriptedSeller([s.challenge()]), chain="unused")
        theirs = approve(elsewhere(at))
        assert at.release([theirs]) == []
        assert [one.money for one in elsewhere(at).release([theirs])] == [Money.VOID]

    def test_one_piece_asked_for_twice_in_a_run_is_reserved_once(self) -> None:
        at = desk(s.ScriptedSeller([s.challenge()]), chain="unused")

        async def twice() -> list[Purchase]:
            orders = [s.order(), s.order()]
            return (await at.approve(p.run(), orders, await at.quote(orders))).purchases

        one, same = asyncio.run(twice())
        assert one == same
        assert set(at.context.ledger.committed(p.USDC).values()) == {p.PRICE}


class TestTheDatasetsCeiling:
    def test_terms_above_it_are_refused_whatever_the_caps_allow(self) -> None:
        """I6."""
        at = desk(s.ScriptedSeller([s.challenge()]))
        with pytest.raises(QuoteUnacceptable, match="the dataset's own ceiling"):
            asyncio.run(at.quote([replace(s.order(), price_cap=p.PRICE - 1)]))

    def test_a_kept_quote_above_it_is_not_used(self) -> None:
        """I6: the quote was kept for an order without a ceiling, or before one was declared."""
        seller = s.ScriptedSeller([s.challenge(), s.challenge(p.PRICE - 1)])
        at = desk(seller)
        asyncio.run(at.quote([s.order()]))
        [quote] = asyncio.run(at.quote([replace(s.order(), price_cap=p.PRICE - 1)])).values()
        assert (quote.terms.amount, len(seller.headers)) == (p.PRICE - 1, 2)
