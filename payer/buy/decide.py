"""Decide the next step of a purchase: a pure function, without clock, I/O or logging.

docs/payments.md has the table that it implements, and the rule behind each row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, assert_never

from payer.policy.rules import AttemptCounts, AttemptLimits
from payer.values.chain_view import ChainView, NonceState, NotSeen, Settlement, View
from payer.values.purchase import Data, Money, Purchase


@dataclass(frozen=True, slots=True)
class Sign:
    """Sign over the purchase's nonce and present it: nothing has left the machine.

    From EXPOSED only after a reorg removed a settlement that another machine's payment had caused.
    """


@dataclass(frozen=True, slots=True)
class Present:
    """Present the same authorization again, byte for byte."""


@dataclass(frozen=True, slots=True)
class Look:
    """Read the chain's view of the nonce."""


@dataclass(frozen=True, slots=True)
class Settle:
    """Book the settlement that the chain shows."""

    settlement: Settlement


@dataclass(frozen=True, slots=True)
class Free:
    """Void the purchase: by proof its authorization can never settle. `burned`: the nonce was cancelled on chain."""

    proof_block: int
    burned: bool


@dataclass(frozen=True, slots=True)
class Unsettle:
    """Book that a settlement, which was not final, is no longer on the chain."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Ask for the missing body with the authorization that paid, which can't settle again."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Book the purchase as undelivered: every claim failed. An operator decides what follows."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Leave the purchase in doubt for now, with its money exposed; other purchases go on."""

    why: str


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing is left to do, unless an operator decides otherwise."""


_NO_ATTEMPTS = AttemptCounts()
_TRANSFER_NOT_FOUND = (
    "the nonce is used, its transfer is not found yet (one older than network.lookback_blocks is found once that is "
    "raised)"
)
_BOUGHT_ELSEWHERE = "another home of this wallet, or a ledger that was lost, used this piece's nonce"
_NOT_AS_SIGNED = (
    "the chain server shows a settlement whose payee or amount was not signed here for this nonce; it counts once what "
    "was signed has expired. `tollbook reconcile` names it"
)
_NOT_AGREED = (
    "the chain servers do not agree about its nonce, or too few of them answer; `tollbook doctor` shows each of them"
)

Action: TypeAlias = Sign | Present | Look | Settle | Unsettle | Free | Claim | GiveUp | Wait | Done


def next_action(
    purchase: Purchase, now: float, chain: View, limits: AttemptLimits, counts: AttemptCounts = _NO_ATTEMPTS
) -> Action:
    """Return the next step of one purchase.

    `now` (unix seconds) ends presenting and times late claims. Proofs use block times, and none holds before `now` has
    passed the time in question: a server that stamps its blocks ahead of time frees nothing.
    """
    match purchase.money:
        case Money.VOID:
            return Done()
        case Money.RESERVED:
            return _reserved(purchase, now, chain)
        case Money.EXPOSED:
            return _exposed(purchase, now, chain, limits, counts)
        case Money.SPENT:
            return _spent(purchase, now, chain, limits, counts)
        case _ as unreachable:
            assert_never(unreachable)


def _reserved(p: Purchase, now: float, chain: View) -> Action:
    """Sign, unless the nonce is used: then another machine, or this one before its ledger was lost, bought it."""
    if not isinstance(chain, ChainView):
        return Sign()
    if _cancelled(p, now, chain):
        return Free(chain.final_number, burned=True)
    if chain.state is NonceState.UNUSED:
        return Sign()
    if chain.settlement is not None:
        return Settle(chain.settlement)
    return Wait(f"{_BOUGHT_ELSEWHERE}: {_why_unproved(chain)}")


def _exposed(p: Purchase, now: float, chain: View, limits: AttemptLimits, counts: AttemptCounts) -> Action:
    if isinstance(chain, ChainView):
        if chain.settlement is not None and chain.state is NonceState.USED and believes(p, now, chain):
            return Settle(chain.settlement)
        if _cancelled(p, now, chain):
            return Free(chain.final_number, burned=True)
        if _dead(p, chain) and now >= p.valid_until:
            return Free(chain.final_number, burned=False)
    wanted = p.data is Data.ABSENT and not p.loss_accepted
    if p.authorization is None and wanted and isinstance(chain, ChainView) and not _seen_used(chain):
        return Sign()
    may_present = p.authorization is not None and wanted and now < p.valid_until - limits.margin
    if may_present and counts.presents < limits.presents and not _seen_used(chain):
        return Present()
    if chain is NotSeen.UNREAD:
        return Look()
    if chain is NotSeen.UNREACHABLE:
        return Wait("the chain can't be read")
    if chain.state is NonceState.USED:
        return Wait(_why_unproved(chain))
    if not chain.agreed:
        return Wait(_NOT_AGREED)
    if now < p.valid_until:
        return Wait("the authorization is still valid and not settled")
    return Wait("no final block past validBefore yet")


def _why_unproved(chain: ChainView) -> str:
    if chain.settlement is not None:
        return _NOT_AS_SIGNED
    return _TRANSFER_NOT_FOUND if chain.agreed else _NOT_AGREED


def believes(p: Purchase, now: float, chain: ChainView) -> bool:
    """True if the settlement that the chain shows is booked: payee and value are those that were signed.

    Another one is booked once everything signed here for the nonce has expired in a final block: then nothing of ours
    can move any more, and the purchase counts at its largest either way (I3).
    """
    settled = chain.settlement
    if settled is None:
        return False
    if chain.as_signed or p.authorization is None:
        return True
    if (settled.pay_to, settled.value) == (p.authorization.pay_to, p.authorization.value):
        return True
    return settled.final and chain.agreed and _expired(p, now, chain)


def _expired(p: Purchase, now: float, chain: ChainView) -> bool:
    """True if a final block, and our own clock, are at or past the last validBefore signed for the nonce."""
    return chain.final_time >= p.valid_until and now >= p.valid_until


def _cancelled(p: Purchase, now: float, chain: ChainView) -> bool:
    """True if the nonce was cancelled and what was signed for it has expired, too.

    A forged cancellation log alone would free money that can still move.
    """
    return chain.agreed and chain.state_final is NonceState.CANCELLED and _expired(p, now, chain)


def _dead(p: Purchase, chain: ChainView) -> bool:
    """True if the authorization can never settle: unused in a final block at or past validBefore (EIP-3009 requires
    block time < validBefore), on the word of as many servers as policy asks."""
    return (
        chain.agreed
        and chain.state_final is NonceState.UNUSED
        and chain.state is NonceState.UNUSED
        and chain.final_time >= p.valid_until > 0
    )


def _seen_used(chain: View) -> bool:
    return isinstance(chain, ChainView) and chain.state is not NonceState.UNUSED


def _spent(p: Purchase, now: float, chain: View, limits: AttemptLimits, counts: AttemptCounts) -> Action:
    if isinstance(chain, ChainView) and _reorged_out(p, chain):
        return Unsettle()
    if isinstance(chain, ChainView) and _confirmed(p, chain) and believes(p, now, chain):
        assert chain.settlement is not None
        return Settle(chain.settlement)
    if p.data is Data.DELIVERED or p.loss_accepted:
        return Done()
    if p.undelivered:
        return Claim() if not counts.claims and claim_is_due(p, now, limits) else Done()
    return Claim() if p.claims < limits.claims else GiveUp()


def claim_is_due(p: Purchase, now: float, limits: AttemptLimits) -> bool:
    """True if one more claim of an undelivered purchase is due; its seller may be able to deliver by now."""
    if not p.undelivered or p.loss_accepted or p.settlement is None:
        return False
    made = max(0, p.claims - limits.claims)
    return made < len(limits.later) and now >= p.settlement.block_time.timestamp() + limits.later[made]


def _reorged_out(p: Purchase, chain: ChainView) -> bool:
    """True if a settlement that was not final is gone, or a cancellation stands in its place.

    A server whose head is older than the settlement's block knows nothing of it (I9).
    """
    booked = p.settlement
    if booked is None or booked.final or chain.head_number < booked.block_number:
        return False
    return chain.state is not NonceState.USED


def _confirmed(p: Purchase, chain: ChainView) -> bool:
    """True if the booked settlement was not final, and the chain shows it final or in another block."""
    seen, booked = chain.settlement, p.settlement
    if seen is None or booked is None or booked.final:
        return False
    return seen.final or seen.block_hash != booked.block_hash
