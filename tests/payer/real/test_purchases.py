"""Buying for real: the official seller and facilitator, real signatures, real transfers, over real sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from payer.values.errors import OverBudget, QuoteUnacceptable
from payer.values.purchase import Data, Money
from sandbox.keys import PAY_TO
from tests.payer import places
from tests.payer.desk import PRICE, Desk, HurriedClock, orders
from tests.payer.onchain import assert_books_equal_chain, give_away, payments
from tests.payer.reference import ReferenceClient

if TYPE_CHECKING:
    from sandbox.world import Buyer, World

OpenDesk = Callable[[str], Desk]


@pytest.fixture
def open_desk(world: World, buyer: Buyer, ledger_url: str) -> Iterator[OpenDesk]:
    """A desk of the test's buyer under a policy, closed at the end; called again it is the same ledger."""
    opened: list[Desk] = []

    def open_one(policy: str) -> Desk:
        opened.append(Desk(policy, buyer.private_key, ledger_url, HurriedClock(lambda: world.clock.offset)))
        return opened[-1]

    yield open_one
    for desk in opened:
        desk.ledger.close()


@pytest.mark.parametrize("version", [1, 2])
def test_transfers_equal_ledger_rows_one_to_one(world: World, buyer: Buyer, open_desk: OpenDesk, version: int) -> None:
    """I1, I5."""
    before = world.balance(buyer.address)
    desk = open_desk(places.policy(world, version=version))
    wanted = orders(desk.policy_text, 4)
    assert desk.buy(wanted) == []
    bought = [desk.found(order) for order in wanted]
    assert {(p.money, p.data, p.sends) for p in bought} == {(Money.SPENT, Data.DELIVERED, 1)}
    assert [p.terms.version for p in bought if p.terms] == [version] * 4
    rows = {(p.nonce, p.settlement.tx_hash, p.spent) for p in bought if p.settlement}
    assert rows == {(paid.nonce, paid.tx_hash, paid.value) for paid in payments(world, buyer.address)}
    assert before - world.balance(buyer.address) == sum(p.spent for p in bought) == 4 * PRICE
    assert all(json.loads(desk.body(order))["success"] for order in wanted)
    assert_books_equal_chain(world, buyer.address, [desk.ledger], before=before)


def test_with_known_terms_the_payment_goes_with_the_first_request(world: World, open_desk: OpenDesk) -> None:
    desk = open_desk(places.policy(world))
    desk.buy(orders(desk.policy_text, 1))
    world.seller.visits.clear()
    desk.buy(orders(desk.policy_text, 5, first=2))
    assert [visit.leg for visit in world.seller.visits] == ["paid"] * 5


@pytest.mark.parametrize("version", [1, 2])
def test_a_seller_whose_timeout_moves_is_paid_from_kept_terms_all_the_same(
    world: World, buyer: Buyer, open_desk: OpenDesk, version: int
) -> None:
    """I1: the SDK's seller compares a v2 echo, so the second piece is presented twice, with one authorization."""
    desk = open_desk(places.policy(world, version=version))
    desk.buy(orders(desk.policy_text, 1))
    world.settings.update(max_timeout=90)
    world.seller.visits.clear()
    assert desk.buy(orders(desk.policy_text, 1, first=2)) == []
    assert [visit.leg for visit in world.seller.visits] == ["paid"] * version
    assert len({visit.nonce for visit in world.seller.visits}) == 1
    world.seller.visits.clear()
    assert desk.buy(orders(desk.policy_text, 3, first=3)) == []
    assert [visit.leg for visit in world.seller.visits] == ["paid"] * 3
    assert len(payments(world, buyer.address)) == 5


def test_the_same_run_again_asks_nothing_and_pays_nothing(world: World, buyer: Buyer, open_desk: OpenDesk) -> None:
    desk = open_desk(places.policy(world))
    wanted = orders(desk.policy_text, 3)
    desk.buy(wanted)
    world.seller.visits.clear()
    assert desk.buy(wanted) == []
    assert list(world.seller.visits) == []
    assert len(payments(world, buyer.address)) == 3


def test_an_empty_wallet_can_still_finish_what_it_has_paid_for(world: World, buyer: Buyer, open_desk: OpenDesk) -> None:
    """The bill of a run is what is new in it: pieces that are paid for or in doubt cost nothing more."""
    desk = open_desk(places.policy(world))
    wanted = orders(desk.policy_text, 2)
    desk.buy(wanted)
    held = world.balance(buyer.address)
    give_away(world, buyer, held)
    assert desk.buy(wanted) == []


def test_a_declared_payment_identifier_is_sent_and_the_same_each_time(world: World, open_desk: OpenDesk) -> None:
    """A seller that honours it gives the paid answer again, though it refuses the payment itself."""
    world.settings.update(payment_identifier="honoured", resend="refused")
    world.faults.add("reset_after")
    desk = open_desk(places.policy(world))
    [order] = orders(desk.policy_text, 1)
    assert desk.buy([order]) == []
    assert (desk.found(order).data, desk.found(order).sends) == (Data.DELIVERED, 2)


def test_a_payment_identifier_that_is_ignored_is_not_relied_on(world: World, buyer: Buyer, open_desk: OpenDesk) -> None:
    world.settings.update(payment_identifier="ignored", resend="refused")
    world.faults.add("reset_after")
    desk = open_desk(places.policy(world))
    [order] = orders(desk.policy_text, 1)
    desk.buy([order])
    assert desk.found(order).undelivered
    assert len(payments(world, buyer.address)) == 1


def test_the_second_token_is_bought_with_inside_its_own_caps(world: World, buyer: Buyer, open_desk: OpenDesk) -> None:
    """I3: 18 decimals, 10 % cheaper, counted in its own atoms; the dollars are not touched."""
    world.settings.update(tmai=True)
    world.buyer(buyer.home.name, symbol="TMAI")
    held = {symbol: world.balance(buyer.address, symbol) for symbol in world.tokens}
    policy = places.policy(world, pay_with="TMAI", caps={"per_run": "1.00"})
    desk = open_desk(policy)
    wanted = orders(policy, 3, headers=[("x-payment-token", "tmai")])
    assert desk.buy(wanted) == []
    price = PRICE * 9 // 10 * 20 * 10**12
    assert {desk.found(order).spent for order in wanted} == {price}
    assert held["TMAI"] - world.balance(buyer.address, "TMAI") == 3 * price
    assert world.balance(buyer.address, "USDC") == held["USDC"]
    assert_books_equal_chain(world, buyer.address, [desk.ledger], before=held["TMAI"], symbol="TMAI")
    [refused] = desk.buy(orders(policy, 4, first=10, headers=[("x-payment-token", "tmai")]))
    assert isinstance(refused, OverBudget)
    assert "caps.TMAI.per_run is 1 TMAI" in str(refused)


def test_a_purchase_keeps_its_rail_when_policy_changes_to_another(
    world: World, buyer: Buyer, open_desk: OpenDesk
) -> None:
    """One network and asset per purchase for its whole life: in doubt in dollars, it is finished in dollars."""
    world.settings.update(tmai=True, resend="served")
    world.faults.add("hang_before", times=3, seconds=0.0)
    in_dollars = open_desk(places.policy(world))
    wanted = orders(in_dollars.policy_text, 1)
    in_dollars.buy(wanted)
    assert in_dollars.found(wanted[0]).money is Money.EXPOSED
    before = world.balance(buyer.address, "TMAI")
    in_tmai = open_desk(places.policy(world, pay_with="TMAI"))
    in_tmai.owner = in_dollars.owner
    assert in_tmai.buy(orders(in_tmai.policy_text, 1, headers=[("x-payment-token", "tmai")])) == []
    bought = in_tmai.found(wanted[0])
    assert (bought.money, bought.asset.symbol, bought.spent) == (Money.SPENT, "USDC", PRICE)
    assert world.balance(buyer.address, "TMAI") == before


def test_the_payee_of_first_use_is_pinned_and_a_change_refused(world: World, open_desk: OpenDesk) -> None:
    """I6."""
    policy = places.policy(world, pay_to="first-use", fresh_quotes=True)
    desk = open_desk(policy)
    desk.buy(orders(policy, 1))
    world.faults.add("swap_pay_to")
    world.seller.visits.clear()
    [refused] = desk.buy(orders(policy, 1, first=2))
    assert isinstance(refused, QuoteUnacceptable)
    assert f"{PAY_TO}, recorded at first use" in str(refused)
    assert [visit.leg for visit in world.seller.visits] == ["unpaid"]


def test_a_price_within_drift_is_followed_over_the_same_nonce(world: World, buyer: Buyer, open_desk: OpenDesk) -> None:
    desk = open_desk(places.policy(world))
    desk.buy(orders(desk.policy_text, 1))
    world.settings.update(prices={"trading-signals": 20_000})
    [order] = orders(desk.policy_text, 1, first=2)
    assert desk.buy([order]) == []
    bought = desk.found(order)
    assert (bought.spent, bought.sends, bought.generation) == (20_000, 2, 0)
    assert [paid.value for paid in payments(world, buyer.address)] == [PRICE, 20_000]


def test_a_lost_answer_costs_the_reference_client_twice_and_tollbook_once(
    world: World, buyer: Buyer, open_desk: OpenDesk
) -> None:
    """The negative control: the same seller, the same fault, one ordinary retry."""
    other = world.buyer(f"{buyer.home.name}-reference")
    desk = open_desk(places.policy(world))
    [order] = orders(desk.policy_text, 1)
    world.faults.add("reset_after")
    desk.buy([order])
    world.faults.add("reset_after")

    async def reference() -> None:
        async with ReferenceClient(other.private_key, world.asset) as client:
            assert await client.get(order, tries=2) is not None
            assert client.signed == 2

    asyncio.run(reference())
    assert len(payments(world, buyer.address)) == 1
    assert len(payments(world, other.address)) == 2
