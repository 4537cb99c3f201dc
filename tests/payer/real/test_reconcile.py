"""Ledger against chain in a paid world: to the atomic unit, resumable, through reorgs, foreign transfers named."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from payer.ledger.database import rows, schema
from payer.payer import Payer
from payer.settle import scan as scanning
from payer.settle.reconcile import Reconciled, damaged_bodies
from payer.settle.scan import Balance
from payer.values.errors import ChainUnreachable
from payer.values.events import Settled, Void
from payer.values.money import Asset
from payer.values.purchase import Data, Money
from tests.payer import sandbox_policy
from tests.payer.desk import PRICE, Desk, HurriedClock, orders
from tests.payer.onchain import give_away, payments
from tests.stores import STORES, new_ledger_url

if TYPE_CHECKING:
    from sandbox.world import Buyer, World

_numbers = itertools.count(1)


class Scene:
    def __init__(self, world: World, buyer: Buyer, desk: Desk) -> None:
        self.world, self.buyer, self.desk = world, buyer, desk

    def reconcile(self, *, rescan: bool = False) -> Reconciled:
        return self.desk.work(lambda payer: payer.reconcile(self.asset, rescan=rescan))

    @property
    def asset(self) -> Asset:
        return self.desk.policy.asset_for("tokenmetrics")

    def see_only(self, blocks: int) -> None:
        """A policy that looks back no further."""
        self.desk.policy = replace(self.desk.policy, lookback_blocks=blocks)

    def finalise(self) -> None:
        """Let what is on the chain become final."""
        self.world.clock.advance(20)


@pytest.fixture(params=STORES)
def scene(request: pytest.FixtureRequest, module_world: World, tmp_path: Path) -> Iterator[Scene]:
    module_world.reset()
    buyer = module_world.buyer(f"books-{next(_numbers)}")
    clock = HurriedClock(lambda: module_world.clock.offset)
    url = new_ledger_url(request, request.param, tmp_path)
    with Desk(sandbox_policy.policy(module_world), buyer.private_key, url, clock) as desk:
        yield Scene(module_world, buyer, desk)
    module_world.reset()


def test_books_are_equal_to_the_atomic_unit_and_closed_to_a_final_block(scene: Scene) -> None:
    """I5."""
    before = scene.world.balance(scene.buyer.address)
    scene.desk.buy(orders(scene.desk.policy_text, 4))
    scene.finalise()
    books = scene.reconcile()
    assert (books.clean, books.foreign, books.booked_late, books.balance) == (True, [], [], Balance.EQUAL)
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


def test_a_purchase_of_another_home_is_foreign_and_the_books_agree(scene: Scene, tmp_path: Path) -> None:
    """I5 is about what this ledger paid; what it did not pay is named with its transaction."""
    elsewhere = f"sqlite:///{tmp_path}/elsewhere.db"
    with Desk(scene.desk.policy_text, scene.buyer.private_key, elsewhere, scene.desk.clock) as machine:
        machine.buy(orders(machine.policy_text, 1))
    scene.desk.buy(orders(scene.desk.policy_text, 1, first=5))
    scene.finalise()
    books = scene.reconcile()
    unknown = payments(scene.world, scene.buyer.address)[0]
    assert [(one.tx_hash, one.nonce, one.value) for one in books.foreign] == [(unknown.tx_hash, unknown.nonce, PRICE)]
    assert (books.clean, books.ledger_atomic, books.chain_atomic) == (True, PRICE, PRICE)


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
    scene.desk.policy = replace(scene.desk.policy, count_chain_spend="off")
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
    scene.world.clock.advance(scene.desk.policy.validity_seconds + 10)
    books = scene.reconcile()
    [freed] = scene.desk.ledger.purchases()
    assert (freed.money, freed.data) == (Money.VOID, Data.DELIVERED)
    assert (books.clean, books.ledger_atomic, books.chain_atomic) == (True, 0, 0)
    assert scene.world.balance(scene.buyer.address) == before


def test_reconciling_goes_on_where_it_was_interrupted(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanning, "STRETCH", 8)
    monkeypatch.setattr(scanning, "OVERLAP", 2)
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
    assert watched.fired <= 2 * ((books.through_block - reached) // 8 + 2)
    assert (books.clean, books.chain_atomic) == (True, 3 * PRICE)


def test_purchases_older_than_the_lookback_are_found_by_the_first_reconciling(scene: Scene) -> None:
    """Two weeks on Base are more blocks than the default looks back."""
    scene.desk.buy(orders(scene.desk.policy_text, 2))
    scene.world.rpc.call("evm_mine", [40])
    scene.finalise()
    scene.see_only(10)
    books = scene.reconcile()
    assert (books.differences, books.chain_atomic, books.balance) == ([], 2 * PRICE, Balance.EQUAL)


def test_a_settlement_below_the_blocks_that_were_read_is_looked_for_in_its_own(scene: Scene) -> None:
    """As after an older tollbook's scan, which began too high; or one whose server left a log out."""
    scene.desk.buy(orders(scene.desk.policy_text, 2))
    scene.finalise()
    head = scene.desk.work(lambda payer: payer.context.chain.head())
    scene.desk.ledger.close_scan(scene.asset, scene.buyer.address, 0, head.final_number, [], scene.desk.clock.now())
    scene.world.rpc.call("evm_mine", [200])
    scene.finalise()
    books = scene.reconcile()
    assert (books.differences, books.chain_atomic) == ([], 2 * PRICE)


def test_logs_that_the_chain_server_leaves_out_are_missed_in_the_balance_and_read_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I5, I9: what was not read is not closed."""
    monkeypatch.setattr(scanning, "OVERLAP", 1)
    scene.finalise()
    scene.reconcile()
    scene.desk.buy(orders(scene.desk.policy_text, 1))
    tx_hash = give_away(scene.world, scene.buyer, 1234)
    scene.finalise()
    reached = scene.desk.ledger.scanned_through(scene.asset, scene.buyer.address)
    scene.world.faults.add("rpc_no_logs", times=None)
    books = scene.reconcile()
    assert [(one.kind, one.chain_atomic) for one in books.differences] == [("balance", PRICE + 1234)]
    assert books.through_block == reached
    scene.world.faults.clear()
    books = scene.reconcile()
    assert (books.differences, books.balance) == ([], Balance.EQUAL)
    assert [one.tx_hash for one in books.foreign] == [tx_hash]


def test_a_rescan_finds_again_what_was_lost_from_closed_blocks(scene: Scene) -> None:
    tx_hash = give_away(scene.world, scene.buyer, 1234)
    scene.world.rpc.call("evm_mine", [200])
    scene.finalise()
    scene.reconcile()
    with scene.desk.ledger._engine.begin() as connection:
        connection.execute(sa.delete(schema.transfers))
    assert scene.reconcile().foreign == []
    assert [one.tx_hash for one in scene.reconcile(rescan=True).foreign] == [tx_hash]


def test_a_body_that_is_gone_from_the_ledger_is_named(scene: Scene) -> None:
    scene.desk.buy(orders(scene.desk.policy_text, 2))
    [one, _] = scene.desk.ledger.purchases()
    with scene.desk.ledger._engine.begin() as connection:
        connection.execute(sa.delete(schema.bodies).where(schema.bodies.c.purchase_id == one.purchase_id))
    assert scene.desk.work(damaged) == [("missing_body", one.purchase_id)]


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
    return [(difference.kind, difference.purchase_id) for difference in damaged_bodies(payer.context.ledger)]
