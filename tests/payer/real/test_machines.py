"""Several buyers over one wallet: processes side by side, machines that share nothing, ledgers lost or rolled back."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from payer.values.purchase import Data, Money, Purchase
from tests.crash import child
from tests.payer import places
from tests.payer.desk import PRICE
from tests.payer.onchain import assert_books_equal_chain, payments

if TYPE_CHECKING:
    from sandbox.world import Buyer, World

PIECES = 3


@pytest.fixture
def job(world: World, buyer: Buyer, ledger_url: str) -> child.Job:
    policy = places.policy(world, loss_limit="9")
    return child.Job(policy, buyer.private_key, ledger_url, PIECES, offset=world.clock.offset)


def bought_by(job: child.Job) -> list[Purchase]:
    with job.open() as desk:
        return [desk.found(order) for order in job.orders]


def transactions(purchases: list[Purchase]) -> list[str | None]:
    return [purchase.settlement.tx_hash if purchase.settlement else None for purchase in purchases]


def test_two_processes_with_one_ledger_pay_once_for_each_piece(world: World, buyer: Buyer, job: child.Job) -> None:
    """I1, I3: neither presents beside the other."""
    before = world.balance(buyer.address)
    assert child.run_together([job, job]) == [0, 0]
    with job.open() as desk:
        assert_books_equal_chain(world, buyer.address, [desk.ledger], before=before)
    assert {(p.money, p.data, p.sends) for p in bought_by(job)} == {(Money.SPENT, Data.DELIVERED, 1)}
    assert len(payments(world, buyer.address)) == PIECES


def test_two_machines_that_share_nothing_but_the_key_pay_once_for_each_piece(
    world: World, buyer: Buyer, job: child.Job, tmp_path: Path
) -> None:
    """I1: the nonces are the same, and the token takes each once."""
    before = world.balance(buyer.address)
    elsewhere = replace(job, ledger_url=f"sqlite:///{tmp_path}/elsewhere.db")
    assert child.run_together([job, elsewhere]) == [0, 0]
    assert child.run_together([job, elsewhere]) == [0, 0]
    with job.open() as here, elsewhere.open() as there:
        assert_books_equal_chain(world, buyer.address, [here.ledger, there.ledger], before=before)
    pairs = list(zip(bought_by(job), bought_by(elsewhere), strict=True))
    assert len(payments(world, buyer.address)) == PIECES
    assert {p.money for pair in pairs for p in pair} == {Money.SPENT}
    assert all(Data.DELIVERED in (one.data, other.data) for one, other in pairs)
    assert all(p.data is Data.DELIVERED or p.undelivered for pair in pairs for p in pair)


def test_a_lost_ledger_finds_its_purchases_on_the_chain(
    world: World, buyer: Buyer, job: child.Job, tmp_path: Path
) -> None:
    """No second transfer; spent, with their transactions, and nothing exposed: the chain is asked before signing."""
    before = world.balance(buyer.address)
    assert child.run(job) == 0
    first = bought_by(job)
    anew = replace(job, ledger_url=f"sqlite:///{tmp_path}/anew.db")
    assert child.run(anew) == 0
    second = bought_by(anew)
    assert transactions(second) == transactions(first)
    assert {p.spent for p in second} == {PRICE}
    assert {p.sends for p in second} == {0}
    assert all(p.undelivered for p in second)
    with anew.open() as desk:
        assert_books_equal_chain(world, buyer.address, [desk.ledger], before=before)


def test_a_ledger_rolled_back_to_a_backup_buys_nothing_twice(
    world: World, buyer: Buyer, job: child.Job, tmp_path: Path
) -> None:
    before = world.balance(buyer.address)
    live = replace(job, ledger_url=f"sqlite:///{tmp_path}/live.db", count=2)
    assert child.run(live) == 0
    with live.open():
        pass  # closing the last connection folds the log into the file
    shutil.copy(tmp_path / "live.db", tmp_path / "backup.db")
    live = replace(live, count=PIECES)
    assert child.run(live) == 0
    restored = replace(live, ledger_url=f"sqlite:///{tmp_path}/backup.db")
    assert child.run(restored) == 0
    assert transactions(bought_by(restored)) == transactions(bought_by(live))
    with restored.open() as desk:
        assert_books_equal_chain(world, buyer.address, [desk.ledger], before=before)
