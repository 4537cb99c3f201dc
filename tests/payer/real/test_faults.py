"""Every fault that the sandbox can switch on, once, under a purchase over real sockets: what it ends as is a table.

Each runs on SQLite against x402 v2 and a seller that refuses a payment presented again (as the SDK's does); those that
end in another way where it is served again, or are written otherwise in v1, also on PostgreSQL against v1 and a seller
that serves it. After each: one transfer at most, the books equal the chain.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Any

import pytest

from payer.payer import Payer
from payer.values.errors import ChainUnreachable, PayerError, QuoteUnacceptable
from payer.values.identifiers import purchase_key
from payer.values.purchase import Data, Money, Purchase
from payer.values.request import Order
from sandbox.faults import CATALOGUE
from tests.payer import sandbox_policy
from tests.payer.desk import Desk, HurriedClock, orders
from tests.payer.onchain import assert_books_equal_chain, is_finished, payments
from tests.stores import new_ledger_url

if TYPE_CHECKING:
    from sandbox.world import Buyer, World


class Ending(Enum):
    """The result of a purchase under a fault that strikes once."""

    BOUGHT = "paid once, delivered"
    LOST = "paid once; delivered where the seller serves a payment again, undelivered where it refuses"
    GONE = "paid once, undelivered: the seller itself believes that it was not paid"
    LATE = "paid once; delivered or not, as the seller's answer comes in time"
    UNPAID = "delivered, and never paid: the authorization dies by proof"
    REFUSED = "nothing signed while it lasts, bought when it is over"


_ENDINGS: dict[Ending, tuple[str, ...]] = {
    Ending.BOUGHT: (
        *("verify_500", "verify_invalid", "settle_500_before", "settle_slow", "relayer_broke"),
        *("forget_pending", "slow", "drip", "rate_before", "endless_402", "edit_terms", "huge_header", "huge_402"),
        *("offer_list", "reset_before", "hang_before", "status_before", "again_402_before", "new_terms_402_before"),
        "swap_resource",
        *("empty_body", "html_body", "garbage_body", "wrong_schema", "failed_envelope", "no_receipt", "broken_receipt"),
        *("cut_body", "unreadable_rows", "no_rows"),
    ),
    Ending.LOST: (
        *("reset_after", "hang_after", "status_after", "status_after_bare", "again_402_after", "new_terms_402_after"),
        *("failed_402_after", "pending_402_after", "rate_after", "redirect_after", "truncated"),
        *("huge_body", "bomb_body"),
    ),
    Ending.GONE: (
        *("settle_500_after", "settle_reset_after"),
        *("settle_pending_200", "settle_pending_500", "settle_denied_after", "settle_front_run"),
    ),
    Ending.LATE: ("settle_timeout_after",),
    Ending.UNPAID: ("settle_phantom", "settle_foreign_tx", "settle_reverted_tx", "forged_receipt"),
    Ending.REFUSED: (
        *("swap_pay_to", "swap_asset", "swap_network", "swap_price", "swap_name"),
        *("broken_terms", "terms_misplaced", "redirect_before"),
    ),
}
ENDINGS = {name: ending for ending, names in _ENDINGS.items() for name in names}

BLINDING = {
    *("rpc_down", "rpc_error", "rpc_status", "rpc_hang", "rpc_garbage", "rpc_wrong_chain", "rpc_no_tags"),
}
"""RPC faults under which the chain says nothing at all."""
UNBELIEVABLE = {"rpc_no_logs", "rpc_foreign_logs", "rpc_receipt_missing", "rpc_receipt_failed"}
UNBELIEVABLE |= {"rpc_forged_settlement"}
"""RPC faults under which it says "used" and can't show by what, or by what was never signed."""
HARMLESS = {"rpc_slow", "rpc_frozen_head", "rpc_double_logs", "rpc_log_range", "rpc_pruned"}
HARMLESS |= {"rpc_blocks_ahead"}
BUSY = {"rpc_busy"}
"""Waited for as long as the server asks: tried in test_node_faults.py."""

SHORT: dict[str, dict[str, Any]] = {
    "settle_timeout_after": {"seconds": 1.3},
    "hang_before": {"seconds": 1.3},
    "hang_after": {"seconds": 1.3},
    "rpc_hang": {"seconds": 0.05},
    "rpc_slow": {"seconds": 0.02},
    "settle_slow": {"seconds": 0.1},
    "drip": {"seconds": 0.05},
    "huge_body": {"megabytes": 2},
    "bomb_body": {"megabytes": 8},
}
SILENT = {"settle_timeout_after", "hang_before", "hang_after"}
"""Faults that are over only when the payer's patience is."""


@dataclass
class Scene:
    """A desk at one seller; every test takes a piece of its own from it."""

    world: World
    buyer: Buyer
    desk: Desk
    resend: str
    before: int
    pieces: Iterator[int]

    def order(self) -> Order:
        [order] = orders(self.desk.policy_text, 1, first=next(self.pieces))
        return order

    def patience(self, seconds: int) -> None:
        seller = self.desk.policy.sellers["tokenmetrics"]
        sellers = {"tokenmetrics": replace(seller, timeout_seconds=seconds)}
        self.desk.policy = replace(self.desk.policy, sellers=sellers)

    def presented(self, order: Order) -> set[str | None]:
        """The nonces of every payment that the seller saw for this piece."""
        piece = f"page={dict(order.request.params)['page']}&"
        return {v.nonce for v in self.world.seller.visits if v.leg == "paid" and piece in v.query}

    def transfers(self, purchase: Purchase) -> int:
        return sum(paid.nonce == purchase.nonce for paid in payments(self.world, self.buyer.address))


Kind = tuple[str, int, str]
ONE, OTHER = ("sqlite", 2, "refused"), ("postgresql", 1, "served")
DIFFER = {name for name, ending in ENDINGS.items() if ending is not Ending.BOUGHT} | {"hang_before", "endless_402"}
DIFFER -= {"terms_misplaced"}
"""In x402 v1, terms in the header are read there and paid."""


def on(one: Iterable[str], other: Iterable[str] = ()) -> pytest.MarkDecorator:
    """Run with these faults in the first kind of world, with those in the other."""
    cases = [(ONE, name) for name in one] + [(OTHER, name) for name in other]
    ids = [f"{kind[0]}-v{kind[1]}-{kind[2]}-{name}" for kind, name in cases]
    return pytest.mark.parametrize(("kind", "name"), cases, ids=ids)


@pytest.fixture(scope="module")
def scenes(
    request: pytest.FixtureRequest, module_world: World, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[Kind], Scene]]:
    """One desk for each kind, opened when first needed: its books are compared with the chain after every test."""
    with contextlib.ExitStack() as stack:

        @functools.cache
        def scene_of(kind: Kind) -> Scene:
            store, version, resend = kind
            world, buyer = module_world, module_world.buyer(f"faults-{store}")
            text = sandbox_policy.policy(
                world, version=version, fresh_quotes=True, body_bytes=1_000_000, loss_limit="90", timeout_seconds=10
            )
            url = new_ledger_url(request, store, tmp_path_factory.mktemp("faults"))
            clock = HurriedClock(lambda: world.clock.offset)
            desk = stack.enter_context(Desk(text, buyer.private_key, url, clock))
            return Scene(world, buyer, desk, resend, world.balance(buyer.address), itertools.count(1))

        yield scene_of


@pytest.fixture
def scene(scenes: Callable[[Kind], Scene], kind: Kind) -> Iterator[Scene]:
    scene = scenes(kind)
    scene.world.reset()
    scene.world.settings.update(resend=scene.resend, confirmation_timeout=0.5)
    scene.patience(10)
    yield scene
    scene.world.reset()


def test_every_fault_of_the_sandbox_has_its_ending() -> None:
    on_the_way = {name for name, kind in CATALOGUE.items() if kind.level != "rpc"}
    assert on_the_way == set(ENDINGS)
    of_the_node = {name for name, kind in CATALOGUE.items() if kind.level == "rpc"}
    assert of_the_node == BLINDING | UNBELIEVABLE | HARMLESS | BUSY


@on(ENDINGS, other=sorted(DIFFER))
def test_a_purchase_under_a_fault_is_paid_once_at_most_and_ends_as_the_table_says(scene: Scene, name: str) -> None:
    """I1, I3, I5, I6."""
    order, world = scene.order(), scene.world
    if name in SILENT:
        scene.patience(1)
    of_facilitator = CATALOGUE[name].level == "facilitator" and not name.startswith("verify")
    fault = world.faults.add(name, path="/settle" if of_facilitator else "*", **SHORT.get(name, {}))
    raised = scene.desk.buy([order])
    assert fault.fired == 1
    world.faults.clear()
    scene.patience(10)
    if ENDINGS[name] is Ending.REFUSED:
        assert [type(error) for error in raised] == [QuoteUnacceptable]
        assert scene.presented(order) == set()
    finish(scene, order)
    assert_ending(scene, order, ENDINGS[name])


@on(sorted(BLINDING | UNBELIEVABLE | HARMLESS), other=["rpc_down", "rpc_no_logs"])
def test_a_lost_answer_on_a_chain_that_misbehaves_stays_in_doubt_until_it_can_be_read(scene: Scene, name: str) -> None:
    """I9."""
    order, world = scene.order(), scene.world

    async def lose(payer: Payer) -> None:
        run = scene.desk.new_run()
        payer.context.ledger.start_run(run)
        approved = await payer.approve(run, [order], await payer.quote([order]))
        world.faults.add("reset_after")
        world.faults.add(name, times=None, **SHORT.get(name, {}))
        [purchase] = approved.purchases
        try:
            purchase = await payer.buy(purchase)
        except PayerError:
            purchase = payer.context.ledger.get(purchase.purchase_id) or purchase
        await payer.verify([purchase])

    scene.desk.work(lose)
    doubtful = scene.desk.found(order)
    assert doubtful.money is (Money.SPENT if name in HARMLESS else Money.EXPOSED)
    assert scene.transfers(doubtful) == 1
    world.faults.clear()
    finish(scene, order)
    assert_ending(scene, order, Ending.LOST)


@on(sorted(BLINDING), other=["rpc_down"])
def test_nothing_is_signed_while_the_chain_cannot_be_read(scene: Scene, name: str) -> None:
    """I9: a nonce that may be used already is not signed over."""
    order = scene.order()
    scene.world.faults.add(name, times=None, **SHORT.get(name, {}))
    raised = scene.desk.buy([order])
    assert [type(error) for error in raised] == [ChainUnreachable]
    assert scene.presented(order) == set()
    assert scene.desk.ledger.find(purchase_key(order.request, order.edition)) is None


@on(["reset_before", "endless_402", "new_terms_402_before", "again_402_after"], other=["reset_after", "endless_402"])
def test_a_fault_that_never_ends_signs_no_second_nonce(scene: Scene, name: str) -> None:
    """I1, I2: however often it is tried again."""
    order = scene.order()
    scene.world.faults.add(name, times=None)
    for _ in range(2):
        scene.desk.buy([order])
        scene.desk.recover()
    scene.world.faults.clear()
    finish(scene, order)
    assert scene.presented(order) <= {scene.desk.found(order).nonce}
    assert_books(scene)


def finish(scene: Scene, order: Order) -> None:
    """Do what a person would: recover, run again; and where money is still out, wait until it is dead."""
    scene.desk.recover()
    scene.desk.buy([order])
    if scene.desk.found(order).money is Money.EXPOSED:
        scene.world.clock.advance(scene.desk.policy.validity_seconds + 10)
        scene.desk.recover()


def assert_ending(scene: Scene, order: Order, ending: Ending) -> None:
    purchase = scene.desk.found(order)
    delivered = ending is not Ending.GONE and (ending is not Ending.LOST or scene.resend == "served")
    assert purchase.money is (Money.VOID if ending is Ending.UNPAID else Money.SPENT)
    if ending is not Ending.LATE:
        assert purchase.data is (Data.DELIVERED if delivered else Data.ABSENT)
    assert is_finished(purchase)
    assert scene.transfers(purchase) == (0 if ending is Ending.UNPAID else 1)
    assert scene.presented(order) <= {purchase.nonce}
    assert_books(scene)


def assert_books(scene: Scene) -> None:
    assert_books_equal_chain(scene.world, scene.buyer.address, [scene.desk.ledger], before=scene.before)
