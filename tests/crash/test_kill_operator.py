"""A process is SIGKILLed at each commit of an operator's act: a freeze, its end, an accepted price.

What holds afterwards is what was decided or what held before, never half of it; the same act once more ends it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from payer.ledger import Ledger
from payer.ledger.refused_sellers import EVERY_SELLER, Freeze
from payer.values.errors import Frozen
from payer.values.events import Sent
from payer.values.terms import Quote
from tests.cli.conftest import Command, tollbook
from tests.crash import child
from tests.payer import purchases as p

if TYPE_CHECKING:
    from sandbox.world import Buyer, World

__all__ = ["tollbook"]

FREEZE = Freeze(EVERY_SELLER, p.NOW, "an operator", "it looks wrong")
ENDPOINTS = ("GET http://127.0.0.1:9/v2/one", "GET http://127.0.0.1:9/v2/two")
RAISED = 2 * p.PRICE
MOST = 12


def quoted(endpoint: str, amount: int) -> Quote:
    return Quote(endpoint, "s", p.terms(amount), p.NOW)


def freeze(url: str) -> None:
    with Ledger.open(url) as ledger:
        ledger.freeze(FREEZE)


def unfreeze(url: str) -> None:
    with Ledger.open(url) as ledger:
        ledger.unfreeze(EVERY_SELLER)


def accept_prices(url: str) -> None:
    with Ledger.open(url) as ledger:
        for endpoint in ENDPOINTS:
            ledger.accept_price(replace(quoted(endpoint, RAISED), quoted_at=p.NOW + timedelta(days=1)))


def frozen(ledger: Ledger) -> tuple[object, ...]:
    return tuple(ledger.freezes())


def bases(ledger: Ledger) -> tuple[object, ...]:
    kept = [ledger.quote(endpoint, p.USDC) for endpoint in ENDPOINTS]
    return tuple((one.fixed_base, one.terms.amount) for one in kept if one is not None)


OLD, NEW = (p.PRICE, p.PRICE), (RAISED, RAISED)


@dataclass(frozen=True)
class Act:
    """An operator's deeds, and every state of the ledger that may be seen after a kill, in their order."""

    work: Callable[[str], None]
    read: Callable[[Ledger], tuple[object, ...]]
    states: tuple[tuple[object, ...], ...]


ACTS = {
    "freeze": Act(freeze, frozen, ((), (FREEZE,))),
    "unfreeze": Act(unfreeze, frozen, ((FREEZE,), ())),
    "accept-price": Act(accept_prices, bases, ((OLD, OLD), (NEW, OLD), (NEW, NEW))),
}


def prepare(url: str, act: Act) -> None:
    """A ledger with a reserved purchase and two quotes, frozen where the act lifts that."""
    with Ledger.open(url) as ledger:
        if not ledger.purchases():
            ledger.reserve(p.run(), [p.wanted(1)], p.CAPS, p.LEASE)
        ledger.unfreeze(EVERY_SELLER)
        if act.states[0] == (FREEZE,):
            ledger.freeze(FREEZE)
        for endpoint in ENDPOINTS:
            ledger.accept_price(quoted(endpoint, p.PRICE))


@pytest.mark.parametrize("moment", ["commit", "committed"])
@pytest.mark.parametrize("name", ACTS)
def test_an_act_killed_at_any_commit_holds_wholly_or_not_at_all(ledger_url: str, name: str, moment: str) -> None:
    act, seen = ACTS[name], []
    for number in range(1, MOST):
        prepare(ledger_url, act)
        ended = child.finish(child.begin(act.work, ledger_url, crash_at=f"{moment}:{number}"))
        with Ledger.open(ledger_url) as ledger:
            seen.append(act.read(ledger))
            ledger.require_intact()
            assert ledger.verify_projection() == []
        if ended == 0:
            break
        assert ended == child.KILLED
        act.work(ledger_url)
        with Ledger.open(ledger_url) as ledger:
            assert act.read(ledger) == act.states[-1]
    # Before the commit that decides it, nothing is to be seen of an act; after it, all of it.
    decided = [state for before, state in zip([None, *seen], seen, strict=False) if state != before]
    assert tuple(decided) == (act.states if moment == "commit" else act.states[1:])
    assert ended == 0


def test_a_freeze_that_was_committed_before_the_kill_lets_nothing_be_signed(ledger_url: str) -> None:
    """I6: also in a process that opened the ledger before."""
    prepare(ledger_url, ACTS["freeze"])
    with Ledger.open(ledger_url) as ledger:
        [reserved] = ledger.purchases()
        assert child.finish(child.begin(freeze, ledger_url, crash_at="committed:1")) == child.KILLED
        with pytest.raises(Frozen, match="it looks wrong"):
            ledger.append(reserved, p.signed(reserved), Sent(at=p.NOW))


def test_the_command_killed_after_it_froze_has_frozen_and_killed_before_it_lifted_that_has_not(
    tollbook: Command, world: World, buyer: Buyer
) -> None:
    assert tollbook("plan", "tm-grade", "--json").code == 0
    assert child.run_command(tollbook.env, "freeze", "--reason", "odd", crash_at="committed") == child.KILLED
    refused = tollbook("run", "tm-grade", "--json")
    assert (refused.code, refused.document["error"]["kind"]) == (3, "Frozen")
    assert child.run_command(tollbook.env, "unfreeze", crash_at="commit") == child.KILLED
    assert tollbook("run", "tm-grade", "--json").code == 3
    assert world.transfers(buyer.address) == []
    assert tollbook("unfreeze", "--json").code == 0
    assert tollbook("run", "tm-grade", "--json").code == 0
