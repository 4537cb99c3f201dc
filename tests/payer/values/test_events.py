"""The fold: which event may follow which, and what counts against the caps meanwhile."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from payer.values.events import (
    Answered,
    DeliveryFailed,
    Denied,
    Event,
    IllegalEvent,
    LossAccepted,
    Sent,
    Settled,
    Undelivered,
    Unsent,
    Unsettled,
    Void,
    fold,
)
from payer.values.purchase import Data, Money, Purchase
from tests.payer import purchases as p


def test_a_bought_piece_goes_from_reserved_over_exposed_to_spent() -> None:
    story = [
        p.reserved(),
        p.exposed(),
        p.exposed_delivered(),
        p.after(p.exposed_delivered(), Settled(at=p.NOW, settlement=p.settlement())),
    ]
    assert [(s.money, s.data) for s in story] == [
        (Money.RESERVED, Data.ABSENT),
        (Money.EXPOSED, Data.ABSENT),
        (Money.EXPOSED, Data.DELIVERED),
        (Money.SPENT, Data.DELIVERED),
    ]
    assert [s.committed for s in story] == [p.PRICE] * 4


@pytest.mark.parametrize("status", [None, 200, 402, 409, 412, 429, 500, 503])
def test_no_answer_moves_money(status: int | None) -> None:
    """I9: an answer is evidence; after sending, only the chain frees or books money."""
    before = p.exposed()
    after = fold(before, Answered(at=p.NOW, status=status, elapsed_ms=1, receipt_tx="0x" + "cc" * 32))
    assert (after.money, after.committed) == (before.money, before.committed)


def test_a_dearer_signature_over_the_same_nonce_reserves_the_larger_value() -> None:
    dearer = p.after(p.exposed(), p.signed(p.blank(), p.PRICE + 500))
    cheaper = p.after(dearer, p.signed(p.blank(), p.PRICE - 500, p.VALID_BEFORE - 10))
    assert (dearer.committed, cheaper.committed) == (p.PRICE + 500, p.PRICE + 500)
    assert cheaper.valid_until == p.VALID_BEFORE


def test_a_send_that_never_left_exposes_nothing_but_an_earlier_one_still_does() -> None:
    never_left = Unsent(at=p.NOW, reason="connection refused")
    assert p.after(p.exposed(sends=1), never_left).money is Money.RESERVED
    assert p.after(p.exposed(sends=2), never_left).money is Money.EXPOSED


def test_a_body_that_came_without_payment_costs_nothing() -> None:
    free = p.after(p.reserved(), p.delivered())
    assert (free.money, free.data, free.committed) == (Money.VOID, Data.DELIVERED, 0)


def test_a_reorg_exposes_a_settlement_that_was_not_final() -> None:
    """I5: what the chain takes back is no longer spent, and not free either."""
    back = p.after(p.spent_delivered(final=False), Unsettled(at=p.NOW, reason="reorg"))
    assert (back.money, back.committed, back.spent) == (Money.EXPOSED, p.PRICE, 0)


def test_a_void_purchase_wanted_again_keeps_its_nonce_and_generation() -> None:
    """I2: a generation rises only by operator approval; the same nonce can settle once, however often it is signed."""
    again = p.after(p.void(), p.intent(p.blank()))
    assert (again.money, again.generation, again.nonce) == (Money.RESERVED, 0, p.blank().nonce)


def test_a_settlement_found_late_is_booked_even_on_a_void_purchase() -> None:
    """I5: the books follow the chain, whatever we believed."""
    late = p.after(p.void(), Settled(at=p.NOW, settlement=p.settlement()))
    assert (late.money, late.committed) == (Money.SPENT, p.PRICE)


ACCEPTED = LossAccepted(at=p.NOW, by="me")


def test_a_useless_delivery_that_is_accepted_as_lost_may_be_bought_again_and_stays_spent() -> None:
    """I2, I5: whether its body is of no use is for the caller to know; the payer reads none."""
    lost = p.after(p.spent_delivered(), ACCEPTED)
    assert (lost.money, lost.data, lost.buyable) == (Money.SPENT, Data.DELIVERED, True)


FAILED = DeliveryFailed(at=p.NOW, reason="not JSON")


def test_a_body_that_cannot_be_used_is_a_loss_and_stays_one_when_it_is_accepted() -> None:
    """I12: the money is where the chain says; what it brought is nothing."""
    kept, failed = p.spent_delivered(), p.after(p.spent_delivered(), FAILED)
    assert (kept.loss, kept.lost_for) == (0, "")
    assert (failed.money, failed.data, failed.committed) == (kept.money, kept.data, kept.committed)
    assert (failed.loss, failed.lost_for) == (p.PRICE, "failed delivery: not JSON")
    accepted = p.after(failed, ACCEPTED)
    assert (accepted.loss, accepted.buyable) == (p.PRICE, True)


@pytest.mark.parametrize(
    ("state", "loss"),
    [
        (p.exposed, 0),
        (p.exposed_delivered, 0),
        (p.undelivered, p.PRICE),
        (lambda: p.after(p.exposed_delivered(), FAILED), p.PRICE),
        (lambda: p.after(p.void_delivered(), FAILED), 0),
    ],
    ids=["in-doubt", "delivered-in-doubt", "undelivered", "failed-in-doubt", "failed-and-never-paid"],
)
def test_a_loss_is_what_the_chain_took_or_may_take_for_nothing(state: Callable[[], Purchase], loss: int) -> None:
    assert state().loss == loss


ILLEGAL: list[tuple[str, Callable[[], Purchase], Event]] = [
    ("send-unsigned", p.reserved, Sent(at=p.NOW)),
    ("send-after-void", p.void, Sent(at=p.NOW)),
    ("send-after-delivery", p.exposed_delivered, Sent(at=p.NOW)),
    ("sign-after-spent", p.spent, p.signed(p.blank())),
    ("sign-after-delivery", p.exposed_delivered, p.signed(p.blank())),
    ("sign-after-void", p.void, p.signed(p.blank())),
    ("claim-unspent", p.exposed, Sent(at=p.NOW, claim=True)),
    ("fail-what-never-came", p.spent, FAILED),
    ("fail-what-is-undelivered", p.undelivered, FAILED),
    ("fail-twice", lambda: p.after(p.spent_delivered(), FAILED), FAILED),
    ("deliver-twice", p.spent_delivered, p.delivered()),
    ("void-exposed-without-proof", p.exposed, Void(at=p.NOW, reason="hope")),
    ("void-spent", p.spent, Void(at=p.NOW, reason="hope", proof_block=9)),
    ("deny-exposed", p.exposed, Denied(at=p.NOW, reason="late")),
    ("give-up-exposed", p.exposed, Undelivered(at=p.NOW, reason="tired")),
    ("give-up-delivered", p.spent_delivered, Undelivered(at=p.NOW, reason="tired")),
    ("unsettle-final", p.spent_delivered, Unsettled(at=p.NOW, reason="reorg")),
    ("accept-loss-not-final", lambda: p.undelivered(final=False), LossAccepted(at=p.NOW, by="me")),
    ("accept-loss-delivered-not-final", lambda: p.spent_delivered(final=False), LossAccepted(at=p.NOW, by="me")),
    ("accept-loss-delivered-in-doubt", p.exposed_delivered, ACCEPTED),
    ("accept-loss-of-what-was-never-paid", p.void, ACCEPTED),
    ("accept-loss-twice", lambda: p.after(p.spent_delivered(), ACCEPTED), ACCEPTED),
    ("accept-loss-in-doubt", p.exposed, ACCEPTED),
    ("want-exposed-again", p.exposed, p.intent(p.blank())),
    ("want-delivered-again", p.spent_delivered, p.intent(p.blank())),
    ("want-burned-again", p.burned, p.intent(p.blank())),
]


@pytest.mark.parametrize(("state", "event"), [row[1:] for row in ILLEGAL], ids=[row[0] for row in ILLEGAL])
def test_an_event_that_cannot_happen_is_refused(state: Callable[[], Purchase], event: Event) -> None:
    with pytest.raises(IllegalEvent):
        fold(state(), event)


@pytest.mark.parametrize(
    "lost",
    [p.undelivered(), p.burned(), p.void_delivered(), p.spent_delivered()],
    ids=["undelivered", "burned", "void-delivered", "spent-delivered"],
)
def test_a_person_may_accept_the_loss_of_what_has_come_to_rest(lost: Purchase) -> None:
    """I2. What arrived may be worthless: a portal's page for which nothing was paid, an envelope that says no."""
    accepted = fold(lost, LossAccepted(at=p.NOW, by="me"))
    assert (accepted.loss_accepted, accepted.buyable) == (True, True)


def test_the_dearest_signature_counts_against_the_caps_whatever_a_server_says_was_settled() -> None:
    """I3: that the cheaper one settled, finally, is a chain server's word."""
    dearer = p.after(p.exposed(), p.signed(p.blank(), p.PRICE + 4000))
    cheap = p.after(dearer, Settled(at=p.NOW, settlement=p.settlement(final=False)))
    assert (cheap.spent, cheap.cost, cheap.committed) == (p.PRICE, p.PRICE, p.PRICE + 4000)
    final = p.after(cheap, Settled(at=p.NOW, settlement=p.settlement()))
    assert (final.spent, final.committed) == (p.PRICE, p.PRICE + 4000)
    dust = p.after(p.exposed(), Settled(at=p.NOW, settlement=p.settlement(value=1)))
    assert (dust.spent, dust.committed) == (1, p.PRICE)


def test_a_second_life_that_was_never_sent_is_free_although_the_first_one_was() -> None:
    """The first died by proof: what it sent exposes nothing any more. Its wallet and asset stay all the same."""
    again = p.after(p.after(p.void(), p.intent(p.blank())), p.signed(p.blank()), Sent(at=p.NOW))
    assert (again.sends, again.earlier_sends) == (1, 1)
    assert p.after(again, Unsent(at=p.NOW, reason="connection refused")).money is Money.RESERVED


def test_signing_another_nonce_or_payer_for_a_purchase_is_refused() -> None:
    """I1: chain, asset and payer are pinned for a purchase's whole life."""
    with pytest.raises(IllegalEvent):
        fold(p.reserved(), p.signed(p.blank(1)))


def test_a_void_purchase_may_be_bought_again_unless_its_nonce_was_cancelled() -> None:
    """I2: a cancelled nonce never settles; the next generation takes an operator's approval."""
    void = Void(at=p.NOW, reason="dead", proof_block=9)
    assert p.after(p.exposed(), void).buyable
    assert not p.after(p.exposed(), Void(at=p.NOW, reason="dead", proof_block=9, burned=True)).buyable
