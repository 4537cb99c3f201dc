"""A chain node that keeps little state, is busy, or lies: buying, recovering and reconciling over real sockets."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from payer.settle.reconcile import Reconciled
from payer.settle.scan import Balance
from payer.values.errors import OverBudget
from payer.values.purchase import Money
from payer.values.request import Order
from tests.payer import sandbox_policy
from tests.payer.desk import PRICE, Desk, HurriedClock, orders
from tests.payer.onchain import assert_caps_count_what_is_committed, payments

if TYPE_CHECKING:
    from sandbox.world import Buyer, World

CAP = 3 * PRICE
_numbers = itertools.count(1)


class Scene:
    """A desk whose day's cap has room for three calls."""

    def __init__(self, world: World, buyer: Buyer, desk: Desk) -> None:
        self.world, self.buyer, self.desk = world, buyer, desk

    def piece(self, number: int) -> Order:
        [order] = orders(self.desk.policy_text, 1, first=number)
        return order

    def reconcile(self) -> Reconciled:
        return self.desk.work(lambda payer: payer.reconcile(self.desk.policy.asset_for("tokenmetrics")))

    def presented(self) -> set[str | None]:
        return {visit.nonce for visit in self.world.seller.visits if visit.leg == "paid"}


@pytest.fixture
def scene(module_world: World, tmp_path: Path) -> Iterator[Scene]:
    module_world.reset()
    buyer = module_world.buyer(f"node-{next(_numbers)}")
    clock = HurriedClock(lambda: module_world.clock.offset)
    policy = sandbox_policy.policy(module_world, caps={"per_day": "0.051"}, loss_limit="9")
    with Desk(policy, buyer.private_key, f"sqlite:///{tmp_path}/ledger.db", clock) as desk:
        yield Scene(module_world, buyer, desk)
    module_world.reset()


LIES: dict[str, tuple[str, dict[str, Any]]] = {
    "settled-for-one-unit": ("rpc_forged_settlement", {}),
    "settled-as-signed": ("rpc_forged_settlement", {"value": PRICE}),
    "settled-to-a-thief": ("rpc_forged_settlement", {"value": 1, "pay_to": "0x" + "66" * 20}),
    "blocks-two-minutes-ahead": ("rpc_blocks_ahead", {}),
    "blocks-as-far-ahead-as-is-believed": ("rpc_blocks_ahead", {"seconds": 14}),
}


@pytest.mark.parametrize("seller", ["takes-nothing", "delivers"])
@pytest.mark.parametrize("lie", LIES)
def test_a_lying_node_lets_no_cap_be_crossed(scene: Scene, lie: str, seller: str) -> None:
    """I3: piece after piece, each looked at through the lie once it was sent. What was signed may still settle."""
    name, parameters = LIES[lie]
    refused = 0
    for number in range(1, 6):
        if seller == "takes-nothing":
            scene.world.faults.add("again_402_before", times=None)
        raised = scene.desk.buy([scene.piece(number)])
        refused += any(isinstance(error, OverBudget) for error in raised)
        scene.world.faults.add(name, times=None, **parameters)
        scene.desk.recover()
        scene.world.faults.clear()
    assert (refused, len(scene.presented())) == (2, 3)
    assert max(scene.desk.ledger.committed(scene.desk.policy.asset_for("tokenmetrics")).values()) == CAP
    assert sum(paid.value for paid in payments(scene.world, scene.buyer.address)) <= CAP
    assert_caps_count_what_is_committed(scene.desk.ledger)


@pytest.mark.parametrize("lie", LIES)
def test_what_is_bought_while_the_node_lies_is_paid_once_and_inside_the_caps(scene: Scene, lie: str) -> None:
    """I1, I3, I5: a nonce that it calls used is only claimed, inside the caps; afterwards the books are whole."""
    name, parameters = LIES[lie]
    scene.world.faults.add(name, times=None, **parameters)
    for number in range(1, 6):
        scene.desk.buy([scene.piece(number)])
        scene.desk.recover()
    scene.world.faults.clear()
    paid = payments(scene.world, scene.buyer.address)
    assert len({one.nonce for one in paid}) == len(paid) <= 3
    assert sum(one.value for one in paid) <= CAP
    scene.desk.recover()
    scene.world.clock.advance(scene.desk.policy.validity_seconds + 10)
    scene.desk.recover()
    books = scene.reconcile()
    assert books.chain_atomic == sum(one.value for one in paid)


def test_a_node_that_keeps_little_state_leaves_the_balance_unchecked_and_the_books_closed(scene: Scene) -> None:
    scene.desk.buy([scene.piece(number) for number in (1, 2)])
    scene.world.clock.advance(20)
    scene.world.rpc.call("evm_mine", [5])
    scene.world.faults.add("rpc_pruned", times=None, blocks=3)
    books = scene.reconcile()
    assert (books.balance, books.clean, books.ledger_atomic) == (Balance.NOT_CHECKED, True, 2 * PRICE)


def test_a_lost_answer_is_proved_by_a_node_that_keeps_little_state(scene: Scene) -> None:
    """I9: an older state is not needed for what a newer one shows."""
    scene.world.faults.add("rpc_pruned", times=None, blocks=1)
    scene.world.faults.add("hang_before", times=None, seconds=0.0)
    scene.desk.buy([scene.piece(1)])
    assert scene.desk.found(scene.piece(1)).money is Money.EXPOSED
    scene.world.clock.advance(scene.desk.policy.validity_seconds + 10)
    scene.desk.recover()
    assert scene.desk.found(scene.piece(1)).money is Money.VOID


def test_a_busy_node_is_given_the_time_it_asks_for(scene: Scene) -> None:
    busy = scene.world.faults.add("rpc_busy", times=1)
    assert scene.desk.buy([scene.piece(1)]) == []
    scene.world.clock.advance(20)
    again = scene.world.faults.add("rpc_busy", times=1, path="eth_getLogs")
    books = scene.reconcile()
    assert (busy.fired, again.fired, books.clean, books.balance) == (1, 1, True, Balance.EQUAL)
