"""Homes with ledgers of their own over one wallet: caps hold for both, and each is told what the other bought."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from payer.values.errors import OverBudget, PaidUndelivered
from payer.values.purchase import Data, Money
from tests.payer import sandbox_policy
from tests.payer.desk import PRICE, Desk, HurriedClock, orders
from tests.payer.onchain import give_away, payments

if TYPE_CHECKING:
    from sandbox.world import Buyer, World


class Homes:
    """Any number of homes over one wallet, with caps of their own."""

    def __init__(self, world: World, buyer: Buyer, folder: Path, stack: ExitStack) -> None:
        self.world, self.buyer = world, buyer
        self._folder, self._stack, self._count = folder, stack, 0

    def home(self, *, per_day: int) -> Desk:
        """A home with a new ledger; its cap is in prices of a piece."""
        self._count += 1
        caps = {"per_day": f"{PRICE * per_day / 1e6:.6f}"}
        text = sandbox_policy.policy(self.world, caps=caps, loss_limit="9")
        url = f"sqlite:///{self._folder}/home-{self._count}.db"
        clock = HurriedClock(lambda: self.world.clock.offset)
        return self._stack.enter_context(Desk(text, self.buyer.private_key, url, clock))

    @property
    def paid(self) -> int:
        return len(payments(self.world, self.buyer.address))


@pytest.fixture
def homes(world: World, buyer: Buyer, tmp_path: Path) -> Iterator[Homes]:
    with ExitStack() as stack:
        yield Homes(world, buyer, tmp_path, stack)


def test_two_homes_over_one_wallet_see_each_others_payments(homes: Homes) -> None:
    """I3: what either has settled counts in both."""
    here, there = homes.home(per_day=4), homes.home(per_day=4)
    assert here.buy(orders(here.policy_text, 2)) == []
    assert there.buy(orders(there.policy_text, 2, first=11)) == []
    for desk, first in ((here, 21), (there, 31)):
        [refused] = desk.buy(orders(desk.policy_text, 1, first=first))
        assert isinstance(refused, OverBudget)
        assert "0.034 USDC of it this wallet paid elsewhere" in refused.what
    assert homes.paid == 4


def test_a_new_ledger_counts_what_the_wallet_paid_before_it(homes: Homes) -> None:
    """I3, and I1: the pieces it finds on the chain cost no cap a second time."""
    before = homes.home(per_day=3)
    assert before.buy(orders(before.policy_text, 3)) == []
    fresh = homes.home(per_day=3)
    [refused] = fresh.buy(orders(fresh.policy_text, 1, first=11))
    assert isinstance(refused, OverBudget)
    fresh.buy(orders(fresh.policy_text, 3))
    assert {(p.money, p.spent, p.sends) for p in fresh.ledger.purchases()} == {(Money.SPENT, PRICE, 0)}
    assert homes.paid == 3


def test_money_that_was_moved_by_hand_counts_too(homes: Homes) -> None:
    give_away(homes.world, homes.buyer, 2 * PRICE)
    desk = homes.home(per_day=2)
    [refused] = desk.buy(orders(desk.policy_text, 1))
    assert isinstance(refused, OverBudget)


def test_a_piece_of_another_home_is_told_as_that(homes: Homes) -> None:
    """The message names the home that has the body, the way to share a ledger, and the cost of accept-loss."""
    here, there = homes.home(per_day=9), homes.home(per_day=9)
    here.buy(orders(here.policy_text, 1))
    [lost] = there.buy(orders(there.policy_text, 1))
    assert isinstance(lost, PaidUndelivered)
    [settled] = payments(homes.world, homes.buyer.address)
    assert "was bought by another home of this wallet, or a ledger that was lost: 0.017 USDC went to" in lost.what
    assert settled.tx_hash in lost.what
    for word in ("one ledger", "TOLLBOOK_LEDGER_URL", "restore", "accept-loss", "about 0.017 USDC"):
        assert word in lost.fix
    [found] = there.ledger.purchases()
    assert (found.bought_elsewhere, found.undelivered, found.data) == (True, True, Data.ABSENT)
    [own] = here.ledger.purchases()
    assert not own.bought_elsewhere
