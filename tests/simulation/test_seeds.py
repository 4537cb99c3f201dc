"""A fixed share of seeds in every test run (SCALE=10: ten times as many); `make sim N=… SEED=…` plays as many as asked.

I1 to I6 and I9 are checked after every step of every world, and at its end that nothing is open, that the books equal
the chain and that a second run pays nothing.
"""

from __future__ import annotations

import pytest

from tests.scale import SCALE
from tests.simulation.defects import a_lease_is_ignored
from tests.simulation.play import Outcome, play
from tests.simulation.scenario import FAULTS, from_seed, narrowed

GROUP = 6
SHARE = 2 * GROUP * SCALE
OF_A_SHAPE = range(1, 1 + 3 * SCALE)
"""Seeds of each test that narrows the worlds."""
NEEDS = {"old_signature": ("new_price:0.5",), "deny_resend": ("lose:0.3",)}


def held(outcome: Outcome) -> None:
    seed, own = outcome.scenario.seed, outcome.scenario.arguments()
    replay = f"make sim SEED={seed} N=1" + (f" ARGS='{own}'" if own else "")
    assert outcome.broken is None, f"{replay}\n{outcome.broken}\n" + "\n".join(outcome.broken.trace[-30:])
    assert outcome.checks > 0


@pytest.mark.parametrize("first", range(1, SHARE + 1, GROUP))
def test_every_invariant_holds_after_every_step(first: int) -> None:
    """I1, I2, I3, I4, I5, I6, I9."""
    outcomes = [play(from_seed(seed)) for seed in range(first, first + GROUP)]
    for outcome in outcomes:
        held(outcome)
    assert sum(outcome.transfers for outcome in outcomes) > 0


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_strikes_and_nothing_breaks(fault: str) -> None:
    """Alone, or with the one it needs, in small worlds until it has struck: a fault that never does tests nothing."""
    faults = ",".join([fault, *NEEDS.get(fault, ())])
    shape = ("pieces=12", "slots=2", "jobs=3", "tight=False", "planned=False", "forgiving=True")
    for seed in range(200, 240):
        outcome = play(narrowed(from_seed(seed), (*shape, f"rpc={fault == 'rpc_error'}"), faults))
        held(outcome)
        if outcome.struck.get(fault):
            return
    pytest.fail(f"{fault} never struck")


def test_a_seller_that_names_another_payee_in_each_402_is_paid_once_for_each_piece() -> None:
    """I1, I3, I6: with prices and terms that move, and of several signatures any settled."""
    shape = ("pieces=12", "slots=2", "tight=False", "planned=False", "any_payee=True")
    for seed in OF_A_SHAPE:
        held(play(narrowed(from_seed(seed), shape, "new_price:0.4,new_terms:0.2,old_signature,lose:0.2,settle_402")))


@pytest.mark.parametrize("faults", ["none", "slow,lose,drop", "crash", "crash,late,settle_402,disk_down", "stop,lose"])
def test_runs_over_overlapping_ranges_buy_each_cell_once(faults: str) -> None:
    """Planned beside each other and again after each turn, whoever dies or waits meanwhile."""
    shape = ("overlapping=True", "slots=3", "jobs=3", "machines=1", "tight=False", "rpc=False", "servers=1")
    outcomes = [play(narrowed(from_seed(seed), shape, faults)) for seed in OF_A_SHAPE]
    for outcome in outcomes:
        held(outcome)
    assert sum(outcome.transfers for outcome in outcomes) > len(OF_A_SHAPE)


@pytest.mark.parametrize(
    ("shape", "faults"),
    [
        pytest.param(("machines=2",), "none", id="two homes over one wallet"),
        pytest.param(("machines=1", "past=4"), "none", id="a new ledger on an old wallet"),
        pytest.param(("machines=1",), "lost,reorg,late", id="a ledger that is lost"),
        pytest.param(("machines=2", "past=2"), "reorg,lose,rpc_stale,slow_block", id="two homes and faults"),
    ],
)
def test_the_caps_of_a_wallet_hold_for_all_its_ledgers(shape: tuple[str, ...], faults: str) -> None:
    """I3: each counts what had settled elsewhere before it reserves."""
    for seed in OF_A_SHAPE:
        held(play(narrowed(from_seed(seed), ("tight=True", "pieces=16", "jobs=3", "planned=False", *shape), faults)))


def test_leases_are_courtesy_and_safety_rests_on_the_nonce(monkeypatch: pytest.MonkeyPatch) -> None:
    """I1: processes that ignore each other's leases get in each other's way, and still pay once."""
    a_lease_is_ignored(monkeypatch)
    for seed in OF_A_SHAPE:
        held(play(narrowed(from_seed(seed), ("pieces=16", "slots=3"))))
