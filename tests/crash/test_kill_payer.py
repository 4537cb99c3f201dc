"""A buying process is SIGKILLed at every point of its path, then a fresh one runs: one transfer, the body or its loss.

On SQLite with a seller that refuses a payment presented again, on PostgreSQL with one that serves it. Two pieces are
bought side by side, so the commits of both are among those that a process dies at: just before each on one store, just
after each on the other.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.crash import child
from tests.payer import places
from tests.payer.onchain import assert_books_equal_chain, is_finished, payments
from tests.stores import new_ledger_url
from tollbook.payer.types import Data, Purchase

if TYPE_CHECKING:
    from tollbook.sandbox.world import Buyer, World

COMMITS = {
    1: "the run",
    2: "the payee",
    3: "the quote",
    4: "intents and caps",
    5: "first signed and sent",
    6: "second signed and sent",
    7: "first answer",
    8: "second answer",
    9: "the chain's proof",
}
KINDS = {"sqlite": "refused", "postgresql": "served"}


@dataclass
class Scene:
    """One buyer, two pieces, and everything to compare afterwards."""

    world: World
    buyer: Buyer
    job: child.Job
    before: int

    def purchases(self) -> list[Purchase]:
        with self.job.open() as desk:
            return [desk.found(order) for order in self.job.orders]

    def transfers(self) -> int:
        return len(payments(self.world, self.buyer.address))

    def assert_kept(self) -> None:
        """I1, I3, I5: and every body is here, or its loss is written down."""
        with self.job.open() as desk:
            assert_books_equal_chain(self.world, self.buyer.address, [desk.ledger], before=self.before)
            bought = [desk.found(order) for order in self.job.orders]
            assert all(is_finished(purchase) for purchase in bought)
            assert self.transfers() == len(bought)
            if self.world.settings.resend == "served":
                assert all(purchase.data is Data.DELIVERED for purchase in bought)


@pytest.fixture(params=KINDS)
def scene(request: pytest.FixtureRequest, world: World, buyer: Buyer, tmp_path: Path) -> Scene:
    world.settings.update(resend=KINDS[request.param])
    url = new_ledger_url(request, request.param, tmp_path)
    job = child.Job(places.policy(world, loss_limit="9"), buyer.private_key, url, 2, offset=world.clock.offset)
    return Scene(world, buyer, job, world.balance(buyer.address))


def killed(scene: Scene, point: str) -> None:
    assert child.run(scene.job.dying_at(point)) == child.KILLED, f"the run never came to {point}"


@pytest.mark.parametrize("number", COMMITS, ids=lambda number: COMMITS[number].replace(" ", "-"))
def test_a_run_killed_at_a_commit_and_run_again_pays_once(scene: Scene, number: int) -> None:
    moment = "commit" if scene.job.ledger_url.startswith("sqlite") else "committed"
    killed(scene, f"{moment}:{number}")
    assert child.run(scene.job) == 0
    scene.assert_kept()


@pytest.mark.parametrize("point", ["intent", "signed", "sent", "answered", "delivered"])
def test_a_run_killed_at_a_named_point_and_run_again_pays_once(scene: Scene, point: str) -> None:
    killed(scene, point)
    assert child.run(scene.job) == 0
    scene.assert_kept()


def test_a_body_that_was_in_hand_when_the_process_died_is_asked_for_again(scene: Scene) -> None:
    """Paid, answered, and killed before the commit of the answer: the seller decides whether the body comes back."""
    killed(scene, "answered:2")
    assert scene.transfers() == 2
    assert child.run(scene.job) == 0
    scene.assert_kept()
    lost = [purchase for purchase in scene.purchases() if purchase.undelivered]
    assert bool(lost) == (scene.world.settings.resend == "refused")


@pytest.mark.parametrize(
    ("fault", "moved"), [("settle_slow", 0), ("hang_after", 1)], ids=["while-the-seller-settles", "after-it-settled"]
)
def test_a_run_killed_from_outside_while_the_seller_works_pays_once(scene: Scene, fault: str, moved: int) -> None:
    on = scene.world.faults.add(fault, path="/settle" if fault.startswith("settle") else "*", seconds=2.0)
    kill_when(scene, lambda: on.fired == 1 and scene.transfers() >= moved)
    scene.world.wait_until("the seller settles whether or not anybody waits", lambda: scene.transfers() >= 1)
    assert child.run(scene.job) == 0
    scene.assert_kept()


def kill_when(scene: Scene, moment: Callable[[], bool]) -> None:
    process = child.start(scene.job)
    scene.world.wait_until("the moment to kill", moment, timeout=30)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    assert child.finish(process) == child.KILLED


@pytest.mark.parametrize(
    ("first", "second"),
    [("sent", "answered"), ("answered:2", "commit:1"), ("committed:5", "committed:2")],
)
def test_a_recovery_killed_in_its_turn_changes_nothing(scene: Scene, first: str, second: str) -> None:
    """I1: a process dies, the one that recovers dies too, a third finishes."""
    killed(scene, first)
    killed(scene, second)
    assert child.run(scene.job) == 0
    scene.assert_kept()
