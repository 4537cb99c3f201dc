"""A fixed share of seeds in every test run; `make sim` plays as many as asked. Each invariant is checked at every step.

The second half shows that the checks can fail: deliberate defects of the payer are found within a few seeds.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.simulation.play import play
from tests.simulation.scenario import from_seed
from tollbook.payer import buyer, events
from tollbook.payer.ledger import caps
from tollbook.payer.services import Services
from tollbook.payer.types import Money, Purchase

SHARE = int(os.environ.get("TOLLBOOK_SIM_SEEDS", "60"))
GROUPS = 6


@pytest.mark.parametrize("group", range(GROUPS))
def test_every_invariant_holds_at_every_step_of_a_fixed_share_of_seeds(group: int) -> None:
    """I1, I2, I3, I5, I6, I9 under lost answers, late settlements, reorgs, lies, crashes, lost and restored books."""
    for seed in range(1 + group, 1 + SHARE, GROUPS):
        outcome = play(from_seed(seed))
        assert outcome.broken is None, f"make sim SEED={seed} N=1\n{outcome.broken}"
        assert outcome.checks > 0


def test_a_seed_replays_exactly() -> None:
    """The same transfers, checks and turns, whatever else ran before."""
    once, again = play(from_seed(7)), play(from_seed(7))
    assert (once.purchases, once.transfers, once.checks, once.turns, once.struck) == (
        again.purchases,
        again.transfers,
        again.checks,
        again.turns,
        again.struck,
    )


def random_nonces(patch: pytest.MonkeyPatch) -> None:
    """Each signature over a nonce of its own, as the reference client does."""
    sign = Services.authorize

    def authorize(self: Services, purchase: Purchase, terms: Any) -> Any:
        return replace(sign(self, purchase, terms), nonce="0x" + secrets.token_hex(32))

    patch.setattr(Services, "authorize", authorize)
    patch.setattr(events, "_require", lambda *_: None)


def a_402_frees_the_money(patch: pytest.MonkeyPatch) -> None:
    """The commonest mistake of other buyers: a 402 after sending is taken for a refusal."""
    keep = buyer._keep

    def freeing(services: Services, purchase: Purchase, answer: Any, note: str = "") -> Purchase:
        after = keep(services, purchase, answer, note)
        if answer.status == 402 and after.money is Money.EXPOSED:
            void = events.Void(at=services.clock.now(), reason="a 402", proof_block=0)
            after = services.ledger.append(after, void)
        return after

    patch.setattr(buyer, "_keep", freeing)


def caps_are_not_checked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(caps, "check", lambda *_: None)


@pytest.mark.parametrize("defect", [random_nonces, a_402_frees_the_money, caps_are_not_checked])
def test_a_deliberate_defect_is_found(defect: Callable[[pytest.MonkeyPatch], None]) -> None:
    """A check that can't fail is none."""
    with pytest.MonkeyPatch.context() as patch:
        defect(patch)
        for seed in range(1, 60):
            try:
                if play(from_seed(seed)).broken is not None:
                    return
            except AssertionError:
                return
    pytest.fail(f"59 seeds did not notice that {defect.__name__.replace('_', ' ')}")
