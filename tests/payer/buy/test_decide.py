"""The decision, row by row: money × data × time × what the chain says. Answers don't appear: none changes it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec import structs

from payer.buy.decide import Action, Claim, Done, Free, GiveUp, Look, Present, Settle, Sign, Unsettle, Wait, next_action
from payer.policy.rules import AttemptCounts, AttemptLimits
from payer.values.chain_view import ChainView, NonceState, NotSeen, Settlement
from payer.values.purchase import Purchase
from tests.payer import purchases as p

LIMITS = AttemptLimits(margin=6, presents=3, claims=3)
BEFORE = p.VALID_BEFORE - 60
IN_MARGIN = p.VALID_BEFORE - 6
AFTER = p.VALID_BEFORE + 60
FRESH, TIRED = AttemptCounts(0), AttemptCounts(3)
SETTLED = int(p.settlement().block_time.timestamp())
LATER = SETTLED + 30 * 86_400
EXPOSED_ACCEPTED = structs.replace(p.exposed(), loss_accepted=True)
"""Written by an earlier tollbook, which let a loss be accepted before its block was final; then came a reorg."""
SPENT_ACCEPTED = structs.replace(p.spent(), loss_accepted=True)


def view(
    state: NonceState,
    *,
    final: NonceState | None = None,
    final_time: int = BEFORE,
    settlement: Settlement | None = None,
    head: int = 20,
) -> ChainView:
    return ChainView(head, AFTER, 18, final_time, state, state if final is None else final, settlement)


UNUSED = view(NonceState.UNUSED)
UNUSED_PAST = view(NonceState.UNUSED, final_time=p.VALID_BEFORE)
UNUSED_ALMOST = view(NonceState.UNUSED, final_time=p.VALID_BEFORE - 1)
USED = view(NonceState.USED, settlement=p.settlement())
USED_NOT_FINAL = view(NonceState.USED, final=NonceState.UNUSED, settlement=p.settlement(final=False))
USED_AFTER_LAG = view(
    NonceState.USED, final=NonceState.UNUSED, final_time=p.VALID_BEFORE, settlement=p.settlement(final=False)
)
USED_UNSEEN = view(NonceState.USED, final_time=p.VALID_BEFORE)
USED_AT_HEAD_ONLY = view(NonceState.USED, final=NonceState.UNUSED, final_time=p.VALID_BEFORE)
CANCELLED_AT_HEAD_ONLY = view(NonceState.CANCELLED, final=NonceState.UNUSED, final_time=p.VALID_BEFORE)
CANCELLED = view(NonceState.CANCELLED, final_time=p.VALID_BEFORE)
CANCELLED_EARLY = view(NonceState.CANCELLED)
DUST = view(NonceState.USED, settlement=p.settlement(value=1))
DUST_PAST = view(NonceState.USED, final_time=p.VALID_BEFORE, settlement=p.settlement(value=1))
DUST_PAST_NOT_FINAL = view(NonceState.USED, final_time=p.VALID_BEFORE, settlement=p.settlement(value=1, final=False))
THIEF = view(NonceState.USED, settlement=replace(p.settlement(), pay_to="0x" + "66" * 20))
EARLIER_SIGNATURE = replace(DUST, as_signed=True)
UNUSED_ALONE = replace(UNUSED_PAST, agreed=False)
CANCELLED_ALONE = replace(CANCELLED, agreed=False)
DUST_ALONE = replace(DUST_PAST, agreed=False)
CANCELLED_NOT_FINAL = view(NonceState.CANCELLED, final=NonceState.UNUSED)
MOVED = view(NonceState.USED, settlement=p.settlement(final=False, block_hash="0x" + "dd" * 32))
GONE = view(NonceState.UNUSED, head=p.settlement().block_number)
STALE = view(NonceState.UNUSED, head=p.settlement().block_number - 1)
CANCELLED_STALE = view(NonceState.CANCELLED, final=NonceState.UNUSED, head=p.settlement().block_number - 1)
UNREAD, UNREACHABLE = NotSeen.UNREAD, NotSeen.UNREACHABLE

ROWS: list[tuple[str, Purchase, int, ChainView | NotSeen, AttemptCounts, type[Action]]] = [
    ("reserved-unread", p.reserved(), BEFORE, UNREAD, FRESH, Sign),
    ("reserved-unused", p.reserved(), BEFORE, UNUSED, FRESH, Sign),
    ("reserved-unreachable", p.reserved(), BEFORE, UNREACHABLE, FRESH, Sign),
    ("reserved-but-used-elsewhere", p.reserved(), BEFORE, USED, FRESH, Settle),
    ("reserved-used-transfer-not-found", p.reserved(), BEFORE, USED_UNSEEN, FRESH, Wait),
    ("reserved-cancelled", p.reserved(), BEFORE, CANCELLED, FRESH, Free),
    ("exposed-before-unread", p.exposed(), BEFORE, UNREAD, FRESH, Present),
    ("exposed-before-unused", p.exposed(), BEFORE, UNUSED, FRESH, Present),
    ("exposed-before-unreachable", p.exposed(), BEFORE, UNREACHABLE, FRESH, Present),
    ("exposed-before-tired-unread", p.exposed(), BEFORE, UNREAD, TIRED, Look),
    ("exposed-before-tired-unused", p.exposed(), BEFORE, UNUSED, TIRED, Wait),
    ("exposed-before-tired-unreachable", p.exposed(), BEFORE, UNREACHABLE, TIRED, Wait),
    ("exposed-before-used", p.exposed(), BEFORE, USED, FRESH, Settle),
    ("exposed-before-used-not-final", p.exposed(), BEFORE, USED_NOT_FINAL, FRESH, Settle),
    ("exposed-before-used-transfer-not-found", p.exposed(), BEFORE, USED_UNSEEN, FRESH, Wait),
    ("exposed-before-cancelled", p.exposed(), BEFORE, CANCELLED, FRESH, Wait),
    ("exposed-before-cancelled-not-final", p.exposed(), BEFORE, CANCELLED_NOT_FINAL, FRESH, Wait),
    ("exposed-in-margin-unread", p.exposed(), IN_MARGIN, UNREAD, FRESH, Look),
    ("exposed-in-margin-unused", p.exposed(), IN_MARGIN, UNUSED, FRESH, Wait),
    ("exposed-after-unread", p.exposed(), AFTER, UNREAD, FRESH, Look),
    ("exposed-after-unreachable", p.exposed(), AFTER, UNREACHABLE, FRESH, Wait),
    ("exposed-after-unused-final-lags", p.exposed(), AFTER, UNUSED, FRESH, Wait),
    ("exposed-after-unused-final-one-second-short", p.exposed(), AFTER, UNUSED_ALMOST, FRESH, Wait),
    ("exposed-after-unused-final-at-expiry", p.exposed(), AFTER, UNUSED_PAST, FRESH, Free),
    ("exposed-blocks-ahead-of-our-clock", p.exposed(), BEFORE, UNUSED_PAST, TIRED, Wait),
    ("exposed-blocks-a-second-ahead", p.exposed(), p.VALID_BEFORE - 1, UNUSED_PAST, TIRED, Wait),
    ("exposed-clock-at-expiry-and-chain-past", p.exposed(), p.VALID_BEFORE, UNUSED_PAST, TIRED, Free),
    ("exposed-dead-on-one-word-of-two", p.exposed(), AFTER, UNUSED_ALONE, TIRED, Wait),
    ("exposed-cancelled-on-one-word-of-two", p.exposed(), AFTER, CANCELLED_ALONE, TIRED, Wait),
    ("exposed-cancelled-signature-alive", p.exposed(), AFTER, CANCELLED_EARLY, TIRED, Wait),
    ("exposed-cancelled-clock-before-expiry", p.exposed(), p.VALID_BEFORE - 1, CANCELLED, TIRED, Wait),
    ("exposed-settled-for-one-unit", p.exposed(), BEFORE, DUST, FRESH, Wait),
    ("exposed-settled-for-one-unit-clock-past", p.exposed(), AFTER, DUST, FRESH, Wait),
    ("exposed-settled-for-one-unit-clock-before", p.exposed(), BEFORE, DUST_PAST, FRESH, Wait),
    ("exposed-settled-for-one-unit-and-all-expired", p.exposed(), AFTER, DUST_PAST, FRESH, Settle),
    ("exposed-settled-for-one-unit-not-final", p.exposed(), AFTER, DUST_PAST_NOT_FINAL, FRESH, Wait),
    ("exposed-settled-for-one-unit-on-one-word", p.exposed(), AFTER, DUST_ALONE, FRESH, Wait),
    ("exposed-settled-to-another-payee", p.exposed(), BEFORE, THIEF, FRESH, Wait),
    ("exposed-settled-by-an-earlier-signature", p.exposed(), BEFORE, EARLIER_SIGNATURE, FRESH, Settle),
    ("exposed-delivered-settled-for-one-unit", p.exposed_delivered(), BEFORE, DUST, FRESH, Wait),
    ("spent-not-final-then-for-one-unit", p.spent_delivered(final=False), BEFORE, DUST, FRESH, Done),
    ("spent-absent-not-final-then-for-one-unit", p.spent(final=False), BEFORE, DUST, FRESH, Claim),
    ("reserved-cancelled-on-one-word-of-two", p.reserved(), BEFORE, CANCELLED_ALONE, FRESH, Wait),
    ("reserved-again-cancelled-before-the-first-expired", p.reserved_again(), AFTER, CANCELLED_EARLY, FRESH, Wait),
    ("exposed-after-used", p.exposed(), AFTER, USED, FRESH, Settle),
    ("exposed-after-used-at-head-only", p.exposed(), AFTER, USED_AFTER_LAG, FRESH, Settle),
    ("exposed-after-used-transfer-not-found", p.exposed(), AFTER, USED_UNSEEN, FRESH, Wait),
    ("exposed-after-used-at-head-only-transfer-not-found", p.exposed(), AFTER, USED_AT_HEAD_ONLY, FRESH, Wait),
    ("exposed-after-cancelled-at-head-only", p.exposed(), AFTER, CANCELLED_AT_HEAD_ONLY, FRESH, Wait),
    ("exposed-after-cancelled", p.exposed(), AFTER, CANCELLED, FRESH, Free),
    ("exposed-delivered-unread", p.exposed_delivered(), BEFORE, UNREAD, FRESH, Look),
    ("exposed-delivered-unused", p.exposed_delivered(), BEFORE, UNUSED, FRESH, Wait),
    ("exposed-delivered-used", p.exposed_delivered(), BEFORE, USED, FRESH, Settle),
    ("exposed-delivered-dead", p.exposed_delivered(), AFTER, UNUSED_PAST, FRESH, Free),
    ("exposed-delivered-unreachable", p.exposed_delivered(), AFTER, UNREACHABLE, FRESH, Wait),
    ("spent-absent-first-claim", p.spent(), BEFORE, UNREAD, FRESH, Claim),
    ("spent-absent-after-expiry-still-claims", p.spent(), AFTER, USED, FRESH, Claim),
    ("spent-absent-last-claim-failed", p.claimed(3), AFTER, USED, FRESH, GiveUp),
    ("spent-absent-unreachable-still-claims", p.spent(), AFTER, UNREACHABLE, FRESH, Claim),
    ("spent-undelivered", p.undelivered(), AFTER, USED, FRESH, Done),
    ("spent-delivered", p.spent_delivered(), AFTER, UNREAD, FRESH, Done),
    ("spent-delivered-final-never-unsettled", p.spent_delivered(), AFTER, UNUSED, FRESH, Done),
    ("spent-delivered-not-final-reorged", p.spent_delivered(final=False), AFTER, UNUSED, FRESH, Unsettle),
    ("spent-delivered-not-final-now-final", p.spent_delivered(final=False), AFTER, USED, FRESH, Settle),
    ("spent-delivered-not-final-in-another-block", p.spent_delivered(final=False), AFTER, MOVED, FRESH, Settle),
    ("spent-delivered-not-final-same-block", p.spent_delivered(final=False), AFTER, USED_NOT_FINAL, FRESH, Done),
    ("spent-delivered-not-final-gone-at-its-own-block", p.spent_delivered(final=False), AFTER, GONE, FRESH, Unsettle),
    ("spent-delivered-not-final-unused-at-an-older-head", p.spent_delivered(final=False), AFTER, STALE, FRESH, Done),
    ("spent-absent-not-final-unused-at-an-older-head", p.spent(final=False), AFTER, STALE, FRESH, Claim),
    ("spent-delivered-not-final-then-cancelled", p.spent_delivered(final=False), AFTER, CANCELLED, FRESH, Unsettle),
    ("spent-absent-not-final-then-cancelled", p.spent(final=False), AFTER, CANCELLED_NOT_FINAL, FRESH, Unsettle),
    ("spent-not-final-cancelled-at-an-older-head", p.spent_delivered(final=False), AFTER, CANCELLED_STALE, FRESH, Done),
    ("spent-delivered-final-never-cancelled", p.spent_delivered(), AFTER, CANCELLED, FRESH, Done),
    ("spent-not-final-unreachable", p.spent_delivered(final=False), AFTER, UNREACHABLE, FRESH, Done),
    ("spent-not-final-used-transfer-not-found", p.spent_delivered(final=False), AFTER, USED_UNSEEN, FRESH, Done),
    ("undelivered-not-final-reorged", p.undelivered(final=False), AFTER, UNUSED, FRESH, Unsettle),
    ("undelivered-before-the-next-claim", p.undelivered(claims=3), SETTLED + 599, USED, FRESH, Done),
    ("undelivered-claimed-again-later", p.undelivered(claims=3), SETTLED + 600, USED, FRESH, Claim),
    ("undelivered-claimed-again-though-unreachable", p.undelivered(claims=3), LATER, UNREACHABLE, FRESH, Claim),
    ("undelivered-one-claim-a-call", p.undelivered(claims=3), LATER, USED, AttemptCounts(0, claims=1), Done),
    ("undelivered-before-the-one-after", p.undelivered(claims=4), SETTLED + 3_599, USED, FRESH, Done),
    ("undelivered-and-the-one-after", p.undelivered(claims=4), SETTLED + 3_600, USED, FRESH, Claim),
    ("undelivered-after-the-last-claim", p.undelivered(claims=9), LATER, USED, FRESH, Done),
    ("undelivered-whose-loss-is-accepted", p.accepted(), LATER, USED, FRESH, Done),
    ("loss-accepted-and-exposed-is-not-presented", EXPOSED_ACCEPTED, BEFORE, UNREAD, FRESH, Look),
    ("loss-accepted-and-exposed-unused", EXPOSED_ACCEPTED, BEFORE, UNUSED, FRESH, Wait),
    ("loss-accepted-and-exposed-used", EXPOSED_ACCEPTED, BEFORE, USED, FRESH, Settle),
    ("loss-accepted-and-exposed-dead", EXPOSED_ACCEPTED, AFTER, UNUSED_PAST, FRESH, Free),
    ("loss-accepted-and-spent-again", SPENT_ACCEPTED, AFTER, USED, FRESH, Done),
    ("burned-whose-loss-is-accepted", p.accepted(p.burned()), AFTER, CANCELLED, FRESH, Done),
    ("reserved-again-unused", p.reserved_again(), AFTER, UNUSED, FRESH, Sign),
    ("reserved-again-used-late", p.reserved_again(), AFTER, USED, FRESH, Settle),
    ("reserved-again-cancelled", p.reserved_again(), AFTER, CANCELLED, FRESH, Free),
    ("reserved-cancelled-not-final", p.reserved(), BEFORE, CANCELLED_NOT_FINAL, FRESH, Wait),
    ("reserved-used-not-final", p.reserved(), BEFORE, USED_NOT_FINAL, FRESH, Settle),
    ("exposed-in-margin-used", p.exposed(), IN_MARGIN, USED, FRESH, Settle),
    ("exposed-in-margin-unreachable", p.exposed(), IN_MARGIN, UNREACHABLE, FRESH, Wait),
    ("exposed-in-margin-cancelled", p.exposed(), IN_MARGIN, CANCELLED, FRESH, Wait),
    ("exposed-after-cancelled-not-final", p.exposed(), AFTER, CANCELLED_NOT_FINAL, FRESH, Wait),
    ("exposed-delivered-cancelled", p.exposed_delivered(), AFTER, CANCELLED, FRESH, Free),
    ("exposed-delivered-used-transfer-not-found", p.exposed_delivered(), AFTER, USED_UNSEEN, FRESH, Wait),
    ("exposed-delivered-used-not-final", p.exposed_delivered(), AFTER, USED_NOT_FINAL, FRESH, Settle),
    ("void-delivered", p.void_delivered(), AFTER, USED, FRESH, Done),
    ("void-used", p.void(), AFTER, USED, FRESH, Done),
    ("void", p.void(), AFTER, UNUSED, FRESH, Done),
    ("void-burned", p.burned(), AFTER, CANCELLED, FRESH, Done),
]


@pytest.mark.parametrize(
    ("purchase", "now", "chain", "counts", "expected"), [r[1:] for r in ROWS], ids=[r[0] for r in ROWS]
)
def test_each_state_has_one_next_action(
    purchase: Purchase, now: int, chain: ChainView | NotSeen, counts: AttemptCounts, expected: type[Action]
) -> None:
    """I1, I2, I9: the table of docs/payments.md."""
    assert type(next_action(purchase, now, chain, LIMITS, counts)) is expected


def test_freeing_needs_the_latest_expiry_ever_signed_for_the_nonce() -> None:
    """I2: two signatures over one nonce die with the later one."""
    resigned = p.after(p.exposed(), p.signed(p.blank(), p.PRICE + 1, p.VALID_BEFORE + 100))
    assert isinstance(next_action(resigned, AFTER, UNUSED_PAST, LIMITS), Present | Wait)
    past_both = view(NonceState.UNUSED, final_time=p.VALID_BEFORE + 100)
    assert isinstance(next_action(resigned, AFTER + 100, past_both, LIMITS), Free)


def test_a_cancelled_nonce_is_burned_and_an_expired_one_is_not() -> None:
    assert next_action(p.exposed(), AFTER, CANCELLED, LIMITS) == Free(18, burned=True)
    assert next_action(p.exposed(), AFTER, UNUSED_PAST, LIMITS) == Free(18, burned=False)
