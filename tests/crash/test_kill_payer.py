"""A buying process is SIGKILLed at every point of its path, then a fresh one runs: one transfer, the body or its loss.

Just before and just after each commit, on both stores, with a seller that refuses a payment presented again and one
that serves it: a usual run plays a share of that product, each commit at least once, and SCALE=2 all of it. The commits
are those of four stories: two pieces bought side by side, a price that moves, a body that is claimed and given up, and
a recovery of what earlier processes left.
"""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from payer.ledger import Ledger
from payer.policy.file import parse_policy
from payer.values.purchase import Data, Money, Purchase
from tests.crash import child
from tests.payer import sandbox_policy
from tests.payer.desk import PRICE
from tests.payer.onchain import Paid, assert_books_equal_chain, is_finished, payments
from tests.scale import LONG
from tests.stores import new_ledger_url

if TYPE_CHECKING:
    from sandbox.world import Buyer, World

_numbers = itertools.count(1)
BOUGHT = {
    1: "the run",
    2: "the payee",
    3: "the quote",
    4: "the count begun",
    5: "paid elsewhere",
    6: "intents and caps",
    7: "first signed and sent",
    8: "second signed and sent",
    9: "first answer",
    10: "second answer",
    11: "the chain's proof",
}
MOVED = {5: "the answer with new terms", 6: "signed again", 7: "the new quote", 8: "sent again", 9: "the second answer"}
CLAIMED = {9: "sent again", 13: "settled", 14: "the claim", 15: "its answer", 20: "undelivered", 22: "loss accepted"}
RECOVERED = {1: "released", 2: "proofs", 10: "closed blocks"}

Kind = tuple[str, str, str]
KINDS: tuple[Kind, ...] = (
    ("sqlite", "commit", "refused"),
    ("postgresql", "committed", "served"),
    ("sqlite", "committed", "served"),
    ("postgresql", "commit", "refused"),
    ("sqlite", "committed", "refused"),
    ("postgresql", "commit", "served"),
    ("sqlite", "commit", "served"),
    ("postgresql", "committed", "refused"),
)
"""Store, moment, and what the seller does with a payment it has seen; each point begins at the next of them."""


def share(least: int) -> int:
    """Number of kinds each point is killed in."""
    return max(least, len(KINDS) if LONG else 0)


def killing(points: Iterable[object], least: int, kinds: Sequence[Kind] = KINDS) -> pytest.MarkDecorator:
    """Every point in its share of the kinds, begun at another one each time, so that all of them have their turn."""
    cases = [
        pytest.param(kind, point, id="-".join([*kind, str(point)]))
        for place, point in enumerate(points)
        for kind in [kinds[(place * least + step) % len(kinds)] for step in range(min(share(least), len(kinds)))]
    ]
    return pytest.mark.parametrize(("kind", "point"), cases, indirect=["kind"])


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

    @property
    def validity(self) -> int:
        return parse_policy(self.job.policy).validity_seconds

    def paid(self) -> list[Paid]:
        return payments(self.world, self.buyer.address)

    def transfers(self) -> int:
        return len(self.paid())

    def assert_kept(self) -> None:
        """I1, I3, I5: and every body is here, or its loss is written down."""
        with self.job.open() as desk:
            assert_books_equal_chain(self.world, self.buyer.address, [desk.ledger], before=self.before)
            bought = [desk.found(order) for order in self.job.orders]
            assert all(is_finished(purchase) for purchase in bought)
            assert self.transfers() == sum(one.money is Money.SPENT for one in desk.ledger.purchases())
            if self.world.settings.resend == "served":
                assert all(purchase.data is Data.DELIVERED for purchase in bought)


@pytest.fixture(params=[KINDS[0], KINDS[1]], ids=["sqlite-refused", "postgresql-served"])
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


@pytest.fixture
def scene(request: pytest.FixtureRequest, kind: Kind, module_world: World, tmp_path: Path) -> Iterator[Scene]:
    world, (store, _, resend) = module_world, kind
    world.reset()
    world.settings.update(resend=resend)
    buyer = world.buyer(f"killed-{next(_numbers)}")
    url = new_ledger_url(request, store, tmp_path)
    Ledger.open(url).close()
    job = child.Job(sandbox_policy.policy(world, loss_limit="9"), buyer.private_key, url, 2, offset=world.clock.offset)
    yield Scene(world, buyer, job, world.balance(buyer.address))
    world.reset()


def killed(scene: Scene, point: str) -> None:
    assert child.run(scene.job.dying_at(point)) == child.KILLED, f"the run never came to {point}"


@killing(BOUGHT, 1)
def test_a_run_killed_at_a_commit_and_run_again_pays_once(scene: Scene, kind: Kind, point: int) -> None:
    killed(scene, f"{kind[1]}:{point}")
    assert child.run(scene.job) == 0
    scene.assert_kept()
    assert scene.transfers() == 2


@killing(["registered", "counted", "intent", "signed", "sent", "answered", "delivered"], 1)
def test_a_run_killed_at_a_named_point_and_run_again_pays_once(scene: Scene, point: str) -> None:
    killed(scene, point)
    assert child.run(scene.job) == 0
    scene.assert_kept()
    assert scene.transfers() == 2


@pytest.mark.parametrize("point", ["delivered", "judged", "commit:9", "committed:9"])
def test_a_run_killed_around_its_verdict_on_a_body_books_the_loss_all_the_same(scene: Scene, point: str) -> None:
    """I4, I12: the body is durable first; the verdict follows in a commit of its own, this process's or the next's."""
    scene.job = replace(scene.job, count=1)
    scene.world.faults.add("html_body")
    killed(scene, point)
    [held] = scene.purchases()
    assert (held.data, bool(held.failure)) == (Data.DELIVERED, point == "committed:9")
    assert child.run(scene.job) == 0
    [judged] = scene.purchases()
    assert (judged.failure, judged.money, judged.loss) == ("malformed: not JSON", Money.SPENT, PRICE)
    assert scene.transfers() == 1


@killing(["broke_off", "commit:8", "committed:8"], 1)
def test_a_run_killed_at_an_answer_that_breaks_off_asks_again_with_the_same_payment(scene: Scene, point: str) -> None:
    """I1, I4: half a body is no delivery, before its evidence is booked and after."""
    scene.job = replace(scene.job, count=1)
    scene.world.faults.add("truncated", times=1)
    killed(scene, point)
    [held] = scene.purchases()
    assert held.data is Data.ABSENT
    assert held.last_status == (200 if point == "committed:8" else None)
    assert child.run(scene.job) == 0
    scene.assert_kept()
    assert scene.transfers() == 1


@killing(MOVED, 1)
def test_a_run_killed_while_the_price_moves_pays_one_of_the_two_prices(scene: Scene, kind: Kind, point: int) -> None:
    """I1, I3: two signatures over one nonce; the larger stays reserved."""
    scene.job = replace(scene.job, count=1)
    assert child.run(replace(scene.job, first=9)) == 0
    scene.world.settings.update(prices={"trading-signals": 18_000})
    killed(scene, f"{kind[1]}:{point}")
    assert child.run(scene.job) == 0
    scene.assert_kept()
    assert sorted(one.value for one in scene.paid()) == [PRICE, 18_000]


@killing(CLAIMED, 1, [kind for kind in KINDS if kind[2] == "refused"])
def test_a_run_killed_while_it_claims_pays_again_only_by_operator_approval(
    scene: Scene, kind: Kind, point: int
) -> None:
    """I2: paid, the answer lost, every claim refused, and at last its loss accepted."""
    scene.job = replace(scene.job, count=1, verb="accept-loss")
    scene.world.faults.add("reset_after")
    killed(scene, f"{kind[1]}:{point}")
    accepted = [purchase.loss_accepted for purchase in scene.purchases()]
    assert child.run(replace(scene.job, verb="")) == 0
    scene.assert_kept()
    assert scene.transfers() == (2 if accepted == [True] else 1)


@killing(RECOVERED, 1)
def test_a_recovery_killed_at_a_commit_frees_and_books_the_same(scene: Scene, kind: Kind, point: int) -> None:
    """I2, I9: one piece reserved by a process that died, one exposed and dead by proof; then the books are closed."""
    scene.world.faults.add("reset_before", times=None)
    assert child.run(replace(scene.job, count=1, first=2)) == 0
    assert child.run(replace(scene.job, count=1, crash_at="intent")) == child.KILLED
    scene.world.faults.clear()
    scene.world.clock.advance(scene.validity + 10)
    scene.job = replace(scene.job, verb="reconcile", offset=scene.world.clock.offset)
    killed(scene, f"{kind[1]}:{point}")
    assert child.run(scene.job) == 0
    scene.assert_kept()
    assert scene.transfers() == 2


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
    scene.world.wait_until("the moment to kill", moment)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    assert child.finish(process) == child.KILLED


@pytest.mark.parametrize(
    ("first", "second"),
    [("sent", "answered"), ("answered:2", "commit:1"), ("committed:7", "committed:2")],
)
def test_a_recovery_killed_in_its_turn_changes_nothing(scene: Scene, first: str, second: str) -> None:
    """I1: a process dies, the one that recovers dies too, a third finishes."""
    killed(scene, first)
    killed(scene, second)
    assert child.run(scene.job) == 0
    scene.assert_kept()
