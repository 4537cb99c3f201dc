"""Up to a hundred workers over one ledger, each with a clock of its own: one purchase per cell, caps exact."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from payer.policy.rules import Caps
from tests.simulation.play import crash_points, play
from tests.simulation.scenario import from_seed, many_workers, narrowed
from tests.simulation.terms import ASSET
from tests.simulation.test_seeds import held
from tests.simulation.world import World

PIECES, PRICE = 48, 20_000
DECEMBER = 3
"""A seed whose world lies within a month."""
PLAIN = ("machines=1", "jobs=1", f"pieces={PIECES}", "planned=False", "free=False", "past=0", "rpc=False", "servers=1")


@pytest.mark.parametrize("workers", [10, 100])
def test_workers_that_all_want_everything_buy_each_piece_once(workers: int) -> None:
    """I1, I3: nothing is bought twice because somebody else had just begun."""
    shape = (*PLAIN, f"slots={workers}", "tight=False", "remote=False", "any_payee=False")
    outcome = play(narrowed(from_seed(workers), shape, "none"))
    held(outcome)
    assert (outcome.purchases, outcome.transfers) == (PIECES, PIECES)


@pytest.mark.parametrize("workers", [10, 100])
def test_a_cap_is_used_to_the_last_unit_by_all_workers_together_and_not_beyond(workers: int) -> None:
    """I3, with clocks up to ten minutes apart: room for 30 of 48 calls is 30 calls, whoever makes them."""
    shape = (*PLAIN, f"slots={workers}", "tight=True", "remote=False", "any_payee=False")
    world = World(narrowed(from_seed(DECEMBER), shape, "clock:0.9"))
    caps = Caps(PRICE, *[10**9] * 3, per_month=30 * PRICE)
    sellers = {name: replace(seller, loss_limit=10**9) for name, seller in world.policy.sellers.items()}
    world.policy = replace(world.policy, caps={"USDC": caps}, sellers=sellers)
    with crash_points():
        world.run()
    moved = world.chain.transfers()
    assert Counter(moved.values()) == {PRICE: 30}
    ledger = world.machines[0].store.open()
    assert ledger.committed(ASSET)["month", "2026-12"] == 30 * PRICE


@pytest.mark.parametrize("seed", range(1, 4))
def test_a_hundred_workers_and_faults_break_no_invariant(seed: int) -> None:
    """I1 to I6: they crash, stop, lose answers and have clocks that jump, with caps nearly used up."""
    shape = (*PLAIN, "slots=100", "tight=True")
    outcome = play(narrowed(from_seed(seed), shape, "crash,clock,stop,lose:0.2,late,disk_down:0.2,reorg,slow_block"))
    held(outcome)
    assert outcome.struck["crash"] > 0


def test_some_seeds_have_many_workers() -> None:
    found = Counter(many_workers(seed) for seed in range(1, 400))
    assert set(found) == {0, 10, 30, 100}
    assert found[0] > 360
