"""Purchases left open in a paid world whose clock moves: claimed, freed by proof, bought later, or given up on."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from payer.payer import Payer
from payer.values.errors import OverBudget, PaidUndelivered, Unresolved
from payer.values.purchase import Data, Money
from payer.values.request import Order
from sandbox.chain.chain import BlockPace
from tests.payer import sandbox_policy
from tests.payer.desk import PRICE, Desk, HurriedClock, orders
from tests.payer.onchain import assert_books_equal_chain, payments
from tests.stores import STORES, new_ledger_url

if TYPE_CHECKING:
    from sandbox.world import Buyer, World

_numbers = itertools.count(1)
VALIDITY = 60


class Scene:
    """One buyer with a ledger of its own in the module's world."""

    def __init__(self, world: World, buyer: Buyer, ledger_url: str) -> None:
        self.world, self.buyer, self._url = world, buyer, ledger_url
        self.before = world.balance(buyer.address)
        self._opened: list[Desk] = []

    def desk(self, **policy: object) -> Desk:
        text = sandbox_policy.policy(self.world, validity=VALIDITY, **{"loss_limit": "9", **policy})  # type: ignore[arg-type]
        clock = HurriedClock(lambda: self.world.clock.offset)
        self._opened.append(Desk(text, self.buyer.private_key, self._url, clock))
        return self._opened[-1]

    def close(self) -> None:
        for desk in self._opened:
            desk.ledger.close()

    def expire(self) -> None:
        """Let every authorization die, and the proof become final."""
        self.world.clock.advance(VALIDITY + 10)

    def assert_books(self, *, closed: bool = True) -> None:
        ledger = self._opened[-1].ledger
        assert_books_equal_chain(self.world, self.buyer.address, [ledger], before=self.before, closed=closed)


@pytest.fixture(params=STORES)
def scene(request: pytest.FixtureRequest, module_world: World, tmp_path: Path) -> Iterator[Scene]:
    module_world.reset()
    buyer = module_world.buyer(f"recovery-{next(_numbers)}")
    scene = Scene(module_world, buyer, new_ledger_url(request, request.param, tmp_path))
    yield scene
    scene.close()
    module_world.reset()


def leave_open(scene: Scene, desk: Desk, wanted: list[Order], fault: str = "reset_before") -> None:
    """Every send of these orders meets the fault; the money stays out."""
    scene.world.faults.add(fault, times=None)
    raised = desk.buy(wanted)
    assert {type(error) for error in raised} <= {Unresolved, PaidUndelivered}
    scene.world.faults.clear()


def accept_loss(scene: Scene, desk: Desk, order: Order) -> None:
    """Accept the loss, which needs a settlement that no reorg can undo."""
    scene.expire()
    desk.recover()

    async def say(payer: Payer) -> None:
        payer.accept_loss(desk.found(order), "a test")

    desk.work(say)


def test_an_authorization_that_expired_unused_is_void_by_proof_and_bought_later_over_its_nonce(scene: Scene) -> None:
    """I2, I9: the caps are free again, and the nonce is the same."""
    desk = scene.desk()
    [order] = wanted = orders(desk.policy_text, 1)
    leave_open(scene, desk, wanted)
    exposed = desk.found(order)
    assert (exposed.money, exposed.committed) == (Money.EXPOSED, PRICE)
    scene.expire()
    assert [p.purchase_id for p in desk.recover().voided] == [exposed.purchase_id]
    freed = desk.found(order)
    assert (freed.money, freed.committed) == (Money.VOID, 0)
    assert desk.buy(wanted) == []
    bought = desk.found(order)
    assert (bought.money, bought.data, bought.generation) == (Money.SPENT, Data.DELIVERED, 0)
    assert [paid.nonce for paid in payments(scene.world, scene.buyer.address)] == [exposed.nonce]
    scene.assert_books()


def test_until_a_final_block_is_past_its_end_the_money_stays_out(scene: Scene) -> None:
    """I9: neither our clock nor the newest block is proof."""
    desk = scene.desk()
    [order] = wanted = orders(desk.policy_text, 1)
    leave_open(scene, desk, wanted)
    with pytest.MonkeyPatch.context() as patch:
        # A block that is final two seconds later would be so before a busy machine has asked for it.
        patch.setattr(scene.world._chain, "pace", BlockPace(safe_lag=VALIDITY))
        scene.world.clock.advance(VALIDITY + 1)
        scene.world.rpc.call("evm_mine", [])
        recovered = desk.recover()
    assert [why for _, why in recovered.in_doubt if "no final block past validBefore yet" in why]
    assert desk.found(order).money is Money.EXPOSED
    scene.expire()
    desk.recover()
    assert desk.found(order).money is Money.VOID
    scene.assert_books()


@pytest.mark.parametrize("resend", ["refused", "served"])
def test_many_open_purchases_are_settled_claimed_and_freed_in_one_recovery(scene: Scene, resend: str) -> None:
    desk = scene.desk()
    scene.world.settings.update(resend=resend)
    paid, unpaid = orders(desk.policy_text, 6), orders(desk.policy_text, 6, first=20)
    leave_open(scene, desk, unpaid)
    leave_in_the_dark(scene, desk, paid)
    assert {desk.found(order).money for order in paid + unpaid} == {Money.EXPOSED}
    assert len(payments(scene.world, scene.buyer.address)) == len(paid)
    scene.expire()
    recovered = desk.recover()
    counts = (len(recovered.delivered), len(recovered.undelivered), len(recovered.voided), len(recovered.in_doubt))
    assert counts == ((6, 0, 6, 0) if resend == "served" else (0, 6, 6, 0))
    scene.assert_books()


def leave_in_the_dark(scene: Scene, desk: Desk, wanted: list[Order]) -> None:
    """Paid for, the answers lost, and the chain not to be read: nobody knows."""

    async def lose(payer: Payer) -> None:
        run = desk.new_run()
        payer.context.ledger.start_run(run)
        approved = await payer.approve(run, wanted, await payer.quote(wanted))
        scene.world.faults.add("reset_after", times=len(wanted))
        scene.world.faults.add("hang_before", times=None, after=len(wanted), seconds=0.0)
        scene.world.faults.add("rpc_error", times=None)
        for outcome in await asyncio.gather(*map(payer.buy, approved.purchases), return_exceptions=True):
            assert isinstance(outcome, Unresolved), outcome

    desk.work(lose)
    scene.world.faults.clear()


def test_a_seller_that_has_nothing_takes_nothing_and_is_asked_once_a_run(scene: Scene) -> None:
    """The SDK settles nothing for a handler's 404. Each run says what the seller said; the proof frees the money."""
    desk = scene.desk()
    scene.world.settings.update(empty="404")
    [order] = wanted = orders(desk.policy_text, 1, first=100_000)
    for run in (1, 2):
        [doubt] = desk.buy(wanted)
        assert isinstance(doubt, Unresolved)
        assert "the seller's last answer: status 404" in str(doubt)
        assert len([visit for visit in scene.world.seller.visits if visit.leg == "paid"]) == run
        scene.expire()
        assert [one.committed for one in desk.recover().voided] == [0]
    assert desk.found(order).generation == 0
    assert payments(scene.world, scene.buyer.address) == []
    scene.assert_books()


def test_a_purchase_in_doubt_does_not_hold_up_the_others(scene: Scene) -> None:
    desk = scene.desk()
    doubtful = orders(desk.policy_text, 1, endpoint="tm-grade")
    clear = orders(desk.policy_text, 3)
    scene.world.faults.add("reset_before", times=None, path="*/tm-grade", leg="paid")
    assert [type(error) for error in desk.buy(doubtful)] == [Unresolved]
    assert [type(error) for error in desk.buy(doubtful + clear)] == [Unresolved]
    assert {desk.found(order).data for order in clear} == {Data.DELIVERED}
    assert [p.order.dataset for p, _ in desk.recover().in_doubt] == ["tm-grade"]
    assert len(payments(scene.world, scene.buyer.address)) == len(clear)
    scene.assert_books(closed=False)


def test_money_in_doubt_counts_against_the_caps(scene: Scene) -> None:
    """I3: reserved + exposed + spent; freed by proof, it may be spent."""
    desk = scene.desk(caps={"per_flow_day": "0.05", "per_day": "0.05"})
    leave_open(scene, desk, orders(desk.policy_text, 2))
    [refused] = desk.buy(orders(desk.policy_text, 1, first=5))
    assert isinstance(refused, OverBudget)
    assert "0.034 USDC are committed and 0.017 USDC more were asked" in str(refused)
    scene.expire()
    desk.recover()
    assert desk.buy(orders(desk.policy_text, 1, first=5)) == []
    scene.assert_books()


def test_a_seller_that_takes_and_never_delivers_is_bought_from_no_more(scene: Scene) -> None:
    """The breaker: after a set loss, until a person says otherwise."""
    desk = scene.desk(loss_limit="0.034")
    lost = orders(desk.policy_text, 2)
    leave_open(scene, desk, lost, fault="status_after")
    assert all(desk.found(order).undelivered for order in lost)
    scene.world.seller.visits.clear()
    [refused] = desk.buy(orders(desk.policy_text, 1, first=5))
    assert isinstance(refused, OverBudget)
    assert "tokenmetrics took 0.034 USDC and did not deliver" in str(refused)
    assert [visit.leg for visit in scene.world.seller.visits if visit.leg == "paid"] == []
    for order in lost:
        accept_loss(scene, desk, order)
    assert desk.buy(orders(desk.policy_text, 1, first=5)) == []
    scene.assert_books()


def test_an_accepted_loss_is_bought_again_over_another_nonce_and_both_are_in_the_books(scene: Scene) -> None:
    """I2: operator approval is the only way to a second transfer."""
    desk = scene.desk()
    [order] = wanted = orders(desk.policy_text, 1)
    leave_open(scene, desk, wanted, fault="status_after")
    lost = desk.found(order)
    assert [type(error) for error in desk.buy(wanted)] == [PaidUndelivered]
    accept_loss(scene, desk, order)
    assert desk.buy(wanted) == []
    again = desk.found(order)
    assert (again.generation, again.data) == (1, Data.DELIVERED)
    assert {paid.nonce for paid in payments(scene.world, scene.buyer.address)} == {lost.nonce, again.nonce}
    scene.assert_books()


def test_a_cancelled_authorization_is_burned_until_an_operator_approves(scene: Scene) -> None:
    """I2: only the wallet's own key can have cancelled it, so nothing is bought over or beside it unasked."""
    desk = scene.desk()
    [order] = wanted = orders(desk.policy_text, 1)
    leave_open(scene, desk, wanted)
    exposed = desk.found(order)
    scene.world.cancel(exposed.nonce, scene.buyer.private_key)
    scene.expire()
    desk.recover()
    burned = desk.found(order)
    assert (burned.money, burned.burned, burned.committed) == (Money.VOID, True, 0)
    desk.buy(wanted)
    assert payments(scene.world, scene.buyer.address) == []
    accept_loss(scene, desk, order)
    assert desk.buy(wanted) == []
    assert (desk.found(order).generation, desk.found(order).data) == (1, Data.DELIVERED)
    scene.assert_books()


def test_a_transfer_mined_just_before_the_end_is_found_though_nobody_answered(scene: Scene) -> None:
    """The relayer's transaction waits in the pool until a second before validBefore."""
    desk = scene.desk(timeout_seconds=1)
    [order] = wanted = orders(desk.policy_text, 1)
    scene.world.settings.update(confirmation_timeout=0.2)
    scene.world.rpc.call("evm_setAutomine", [False])
    desk.buy(wanted)
    exposed = desk.found(order)
    assert exposed.money is Money.EXPOSED
    scene.world.rpc.call("evm_setNextBlockTimestamp", [exposed.valid_until - 1])
    scene.world.rpc.call("evm_setAutomine", [True])
    scene.expire()
    desk.recover()
    assert desk.found(order).money is Money.SPENT
    scene.assert_books()


def test_a_transfer_mined_after_the_end_takes_nothing(scene: Scene) -> None:
    desk = scene.desk(timeout_seconds=1)
    [order] = wanted = orders(desk.policy_text, 1)
    scene.world.settings.update(confirmation_timeout=0.2)
    scene.world.rpc.call("evm_setAutomine", [False])
    desk.buy(wanted)
    exposed = desk.found(order)
    scene.world.rpc.call("evm_setNextBlockTimestamp", [exposed.valid_until])
    scene.world.rpc.call("evm_setAutomine", [True])
    scene.expire()
    desk.recover()
    assert desk.found(order).money is Money.VOID
    assert payments(scene.world, scene.buyer.address) == []
    scene.assert_books()
