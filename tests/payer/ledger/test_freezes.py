"""A freeze is read in the transaction that books a signature: from then on no process on the ledger signs new money."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from payer.ledger import Ledger
from payer.ledger.refused_sellers import EVERY_SELLER, Freeze, signs_new_money
from payer.values.errors import Frozen
from payer.values.events import Event, Sent, Settled, Signed
from payer.values.purchase import Money, Purchase
from tests.payer import purchases as p

FREEZE = Freeze("s", p.NOW, "ann", "the price is odd")
ALL = Freeze(EVERY_SELLER, p.NOW, "ann", "")


def spent_elsewhere() -> Purchase:
    """Reserved here, and paid by another machine: nothing was signed here yet."""
    return p.after(p.reserved(), Settled(at=p.NOW, settlement=p.settlement()))


def signed(amount: int = p.PRICE) -> Signed:
    return p.signed(p.blank(), amount)


SIGNATURES: dict[str, tuple[Callable[[], Purchase], Sequence[Event], bool]] = {
    "the-first": (p.reserved, [signed(), Sent(at=p.NOW)], True),
    "another-price-over-the-same-nonce": (p.exposed, [signed(p.PRICE + 1)], True),
    "the-same-under-other-echoed-terms": (p.exposed, [replace(signed(), terms=p.terms(1))], False),
    "presented-again": (p.exposed, [Sent(at=p.NOW)], False),
    "claimed": (p.spent, [Sent(at=p.NOW, claim=True)], False),
    "the-one-that-paid-taken-up-to-claim-with": (p.spent, [signed(p.PRICE - 1), Sent(at=p.NOW, claim=True)], False),
    "claimed-for-what-another-machine-paid": (spent_elsewhere, [signed(), Sent(at=p.NOW, claim=True)], True),
    "settled": (p.exposed, [Settled(at=p.NOW, settlement=p.settlement())], False),
}


@pytest.mark.parametrize(("state", "events", "new"), SIGNATURES.values(), ids=SIGNATURES)
def test_which_signatures_are_over_new_money(state: Callable[[], Purchase], events: Sequence[Event], new: bool) -> None:
    assert signs_new_money(state(), events) is new


@pytest.mark.parametrize("freeze", [FREEZE, ALL], ids=["its-seller", "every-seller"])
def test_a_frozen_seller_is_signed_no_more_until_it_is_unfrozen(ledger_url: str, freeze: Freeze) -> None:
    """By another process too: each opens the ledger for itself."""
    with Ledger.open(ledger_url) as ledger, Ledger.open(ledger_url) as operator:
        first, second = ledger.reserve(p.run(), [p.wanted(1), p.wanted(2)], p.CAPS, p.LEASE)
        sent = ledger.append(first, p.signed(first), Sent(at=p.NOW))
        operator.freeze(freeze)
        with pytest.raises(Frozen, match=r"frozen since 2026-11-22 12:00 UTC by ann"):
            ledger.append(second, p.signed(second), Sent(at=p.NOW))
        with pytest.raises(Frozen):
            ledger.append(sent, p.signed(sent, p.PRICE + 1), caps=p.CAPS)
        with pytest.raises(Frozen):
            ledger.reserve(p.run("two"), [p.wanted(3)], p.CAPS, p.LEASE)
        assert [one.money for one in ledger.purchases()] == [Money.RESERVED, Money.EXPOSED]
        again = ledger.append(sent, Sent(at=p.NOW))
        assert again.sends == 2
        assert operator.unfreeze(freeze.seller) == freeze
        assert ledger.append(second, p.signed(second), Sent(at=p.NOW)).money is Money.EXPOSED


def test_a_freeze_of_one_seller_leaves_others_and_free_orders_alone(ledger: Ledger) -> None:
    ledger.freeze(FREEZE)
    [free] = ledger.reserve(p.run(), [p.wanted(1, free=True)], p.CAPS, p.LEASE)
    assert free.money is Money.RESERVED
    assert ledger.reserve(p.run(), [p.wanted(2, seller="other")], p.CAPS, p.LEASE)


def test_the_first_freeze_stays_and_names_who_made_it(ledger: Ledger) -> None:
    assert ledger.freeze(FREEZE) == FREEZE
    assert ledger.freeze(replace(FREEZE, by="bob")) == FREEZE
    assert ledger.freeze(ALL) == ALL
    assert ledger.freezes() == [ALL, FREEZE]
    assert ledger.unfreeze("s") == FREEZE
    assert ledger.unfreeze("s") is None
    assert ledger.freezes() == [ALL]


def test_the_message_says_how_to_go_on() -> None:
    error = FREEZE.refusal()
    assert error.what == "s is frozen since 2026-11-22 12:00 UTC by ann: the price is odd"
    assert "tollbook unfreeze s" in error.fix
    assert (error.money, error.exit_code) == ("none was sent", 3)
    assert ALL.refusal().what == "every seller is frozen since 2026-11-22 12:00 UTC by ann"
