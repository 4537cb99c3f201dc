"""Ledger against chain in a paid world: to the atom, resumable, through reorgs, with everything foreign named."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from tests.payer import places
from tests.payer.desk import PRICE, Desk, HurriedClock, orders
from tests.payer.onchain import give_away, payments
from tests.stores import STORES, new_ledger_url
from tollbook.payer import reconcile
from tollbook.payer.errors import ChainUnreachable
from tollbook.payer.events import Settled, Void
from tollbook.payer.ledger import rows, schema
from tollbook.payer.payer import Payer
from tollbook.payer.reconcile import Reconciled
from tollbook.payer.types import Data, Money

if TYPE_CHECKING:
    from tollbook.sandbox.world import Buyer, World

_numbers = itertools.count(1)


class Scene:
    def __init__(self, world: World, buyer: Buyer, desk: Desk) -> None:
        self.world, self.buyer, self.desk = world, buyer, desk

    def reconcile(self) -> Reconciled:
        asset = self.desk.policy.asset_for("tokenmetrics")
        return self.desk.work(lambda payer: payer.reconcile(asset))

    def finalise(self) -> None:
        """Let what is on the chain become final."""
        self.world.settle_time(20)


@pytest.fixture(params=STORES)
def scene(request: pytest.FixtureRequest, module_world: World, tmp_path: Path) -> Iterator[Scene]:
    module_world.reset()
    buyer = module_world.buyer(f"books-{next(_numbers)}")
    clock = HurriedClock(lambda: module_world.clock.offset)
    url = new_ledger_url(request, request.param, tmp_path)
    with Desk(places.policy(module_world), buyer.private_key, url, clock) as desk:
        yield Scene(module_world, buyer, desk)
    module_world.reset()


def test_books_are_equal_to_the_atom_and_closed_to_a_final_block(scene: Scene) -> None:
    """I5."""
    before = scene.world.balance(scene.buyer.address)
    scene.desk.buy(orders(scene.desk.policy_text, 4))
    scene.finalise()
    books = scene.reconcile()
    assert (books.clean, books.foreign, books.booked_late) == (True, [], [])
    assert books.ledger_atomic == books.chain_atomic == before - scene.world.balance(scene.buyer.address) == 4 * PRICE
    assert books.through_block >= max(p.settlement.block_number for p in scene.desk.ledger.purchases() if p.settlement)


def test_what_is_not_final_yet_is_closed_by_the_next_reconciling(scene: Scene) -> None:
    scene.desk.buy(orders(scene.desk.policy_text, 2))
    first = scene.reconcile()
    assert first.clean
    assert first.ledger_atomic == first.chain_atomic
    scene.desk.buy(orders(scene.desk.policy_text, 2, first=5))
    scene.finalise()
    second = scene.reconcile()
    assert (second.clean, second.ledger_atomic) == (True, 4 * PRICE)
    assert second.through_block > first.through_block


def test_a_transfer_that_no_authorization_made_is_listed_as_foreign(scene: Scene) -> None:
    scene.desk.buy(orders(scene.desk.policy_text, 1))
    tx_hash = give_away(scene.world, scene.buyer, 1234)
    scene.finalise()
    books = scene.reconcile()
    assert books.clean
    assert [(one.tx_hash, one.value, one.nonce) for one in books.foreign] == [(tx_hash, 1234, None)]
    assert books.chain_atomic == PRICE


def test_a_purchase_of_another_machine_is_named_with_its_transaction(scene: Scene, tmp_path: Path) -> None:
    elsewhere = f"sqlite:///{tmp_path}/elsewhere.db"
    with Desk(scene.desk.policy_text, scene.buyer.private_key, elsewhere, scene.desk.clock) as machine:
        machine.buy(orders(machine.policy_text, 1))
    scene.desk.buy(orders(scene.desk.policy_text, 1, first=5))
    scene.finalise()
    books = scene.reconcile()
    [difference] = books.differences
    unknown = payments(scene.world, scene.buyer.address)[0]
    assert (difference.kind, difference.tx_hash) == ("not_in_ledger", unknown.tx_hash)
    assert (difference.ledger_atomic, difference.chain_atomic) == (None, PRICE)


def test_a_settlement_that_the_chain_does_not_have_is_a_difference(scene: Scene) -> None:
    scene.desk.buy(orders(scene.desk.policy_text, 1))
    scene.finalise()
    assert scene.reconcile().clean
    [bought] = scene.desk.ledger.purchases()
    assert bought.settlement is not None
    invented = replace(bought.settlement, tx_hash="0x" + secrets.token_hex(32), value=1)
    scene.desk.ledger.append(bought, Settled(at=scene.desk.clock.now(), settlement=invented))
    [difference] = scene.reconcile().differences
    assert (difference.kind, difference.purchase_id) == ("disagrees", bought.purchase_id)
    assert (difference.ledger_atomic, difference.chain_atomic) == (1, PRICE)


def test_a_transfer_that_came_after_a_lie_of_the_chain_server_is_booked_late(scene: Scene) -> None:
    """The ledger was told that the nonce is unused for good; the money had moved. Reconciling finds it."""
    scene.world.faults.add("reset_after", times=1)
    scene.world.faults.add("hang_before", times=None, after=1, seconds=0.0)
    [order] = orders(scene.desk.policy_text, 1)
    scene.world.faults.add("rpc_error", times=None, path="eth_getLogs")
    scene.desk.buy([order])
    lied_to = scene.desk.found(order)
    assert lied_to.money is Money.EXPOSED
    believed = Void(at=scene.desk.clock.now(), reason="unused, says the server", proof_block=1)
    scene.desk.ledger.append(lied_to, believed)
    scene.world.faults.clear()
    scene.finalise()
    books = scene.reconcile()
    assert books.booked_late == [lied_to.purchase_id]
    assert (books.clean, books.ledger_atomic, books.chain_atomic) == (True, PRICE, PRICE)


def test_a_reorg_that_moves_a_settlement_leaves_the_books_clean(scene: Scene) -> None:
    scene.desk.buy(orders(scene.desk.policy_text, 1))
    [bought] = scene.desk.ledger.purchases()
    assert bought.settlement is not None
    assert not bought.settlement.final
    scene.world.rpc.call("sandbox_reorg", [1, True])
    scene.finalise()
    assert scene.reconcile().clean
    [moved] = scene.desk.ledger.purchases()
    assert moved.settlement is not None
    assert moved.settlement.final
    assert moved.settlement.block_hash != bought.settlement.block_hash


def test_a_reorg_that_loses_a_settlement_exposes_the_money_until_it_is_proved_dead(scene: Scene) -> None:
    """I5, I9: the body is ours all the same, and nothing is paid for it a second time."""
    before = scene.world.balance(scene.buyer.address)
    scene.desk.buy(orders(scene.desk.policy_text, 1))
    [bought] = scene.desk.ledger.purchases()
    assert bought.money is Money.SPENT
    scene.world.rpc.call("sandbox_reorg", [1, False])
    scene.desk.recover()
    [exposed] = scene.desk.ledger.purchases()
    assert (exposed.money, exposed.data) == (Money.EXPOSED, Data.DELIVERED)
    scene.world.settle_time(scene.desk.policy.validity_seconds + 10)
    books = scene.reconcile()
    [freed] = scene.desk.ledger.purchases()
    assert (freed.money, freed.data) == (Money.VOID, Data.DELIVERED)
    assert (books.clean, books.ledger_atomic, books.chain_atomic) == (True, 0, 0)
    assert scene.world.balance(scene.buyer.address) == before


def test_reconciling_goes_on_where_it_was_interrupted(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "_STRETCH", 8)
    monkeypatch.setattr(reconcile, "_OVERLAP", 2)
    scene.desk.buy(orders(scene.desk.policy_text, 3))
    scene.world.rpc.call("evm_mine", [40])
    scene.finalise()
    asset = scene.desk.policy.asset_for("tokenmetrics")
    scene.world.faults.add("rpc_error", times=None, after=3, path="eth_getLogs")
    with pytest.raises(ChainUnreachable):
        scene.reconcile()
    reached = scene.desk.ledger.scanned_through(asset, scene.buyer.address)
    scene.world.faults.clear()
    watched = scene.world.faults.add("rpc_slow", times=None, path="eth_getLogs", seconds=0.0)
    books = scene.reconcile()
    assert reached is not None
    assert 0 < reached < books.through_block
    assert watched.fired <= (books.through_block - reached) // 8 + 3
    assert (books.clean, books.chain_atomic) == (True, 3 * PRICE)


def test_a_body_that_was_damaged_on_disk_is_named(scene: Scene) -> None:
    scene.desk.buy(orders(scene.desk.policy_text, 2))
    assert scene.desk.work(damaged) == []
    [one, other] = scene.desk.ledger.purchases()
    for purchase, held in ((one, rows.compress(b"{}")), (other, b"no zstd at all")):
        with scene.desk.ledger._engine.begin() as connection:
            change = sa.update(schema.bodies).where(schema.bodies.c.purchase_id == purchase.purchase_id)
            connection.execute(change.values(zstd=held))
    assert sorted(scene.desk.work(damaged)) == sorted(("damaged_body", p.purchase_id) for p in (one, other))


async def damaged(payer: Payer) -> list[tuple[str, str | None]]:
    return [(difference.kind, difference.purchase_id) for difference in payer.damaged_bodies()]
