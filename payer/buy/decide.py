"""What happens next to a purchase: a pure function of what is known. No clock, no I/O, no logging.

The table it implements, and the rule behind each row, is in docs/payments.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias, assert_never

from payer.values.types import ChainView, Data, Money, NonceState, Purchase, Settlement


class NotSeen(Enum):
    """Why there is no view of the chain. Neither is ever read as "unused" (I9)."""

    UNREAD = "unread"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class Limits:
    """Nothing is presented within `margin` s of validBefore; `presents` are per sitting, `claims` at once.

    Each `later` is one more claim of a purchase already undelivered, due so many seconds after it was settled; a
    sitting makes one of them.
    """

    margin: int = 6
    presents: int = 3
    claims: int = 3
    later: tuple[int, ...] = (600, 3_600, 6 * 3_600, 86_400, 3 * 86_400, 7 * 86_400)


@dataclass(frozen=True, slots=True)
class Sitting:
    """How often this process, in this call, has presented the authorization, and has claimed the body."""

    presents: int = 0
    claims: int = 0


@dataclass(frozen=True, slots=True)
class Sign:
    """Sign over the purchase's nonce and present it: nothing has left the machine. From EXPOSED only when what was
    booked as settled was another's payment, and a reorg took it back."""


@dataclass(frozen=True, slots=True)
class Present:
    """Present the same authorization again, byte for byte."""


@dataclass(frozen=True, slots=True)
class Look:
    """Ask the chain."""


@dataclass(frozen=True, slots=True)
class Settle:
    settlement: Settlement


@dataclass(frozen=True, slots=True)
class Free:
    """The authorization is dead by proof: its money is free again. `burned`: the nonce was cancelled."""

    proof_block: int
    burned: bool


@dataclass(frozen=True, slots=True)
class Unsettle:
    """A settlement that was not final is no longer on the chain."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Paid, body missing: ask for it with the authorization that paid. It can't settle again."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Every claim failed: undelivered, a person decides."""


@dataclass(frozen=True, slots=True)
class Park:
    """In doubt and nothing to do now; stays exposed. Others are not held up by it."""

    why: str


@dataclass(frozen=True, slots=True)
class Rest:
    """Nothing, for ever (or until a person says so)."""


_NOT_FOUND = (
    "the nonce is used, its transfer is not found yet (one older than network.lookback_blocks is found once that is "
    "raised)"
)

Action: TypeAlias = Sign | Present | Look | Settle | Unsettle | Free | Claim | GiveUp | Park | Rest


def next_action(
    purchase: Purchase, now: float, chain: ChainView | NotSeen, limits: Limits, sitting: Sitting = Sitting()
) -> Action:
    """The next step for one purchase. `now` is unix seconds and only ever *stops* presenting; proofs use block time."""
    match purchase.money:
        case Money.VOID:
            return Rest()
        case Money.RESERVED:
            return _reserved(chain)
        case Money.EXPOSED:
            return _exposed(purchase, now, chain, limits, sitting)
        case Money.SPENT:
            return _spent(purchase, now, chain, limits, sitting)
        case _ as unreachable:
            assert_never(unreachable)


def _reserved(chain: ChainView | NotSeen) -> Action:
    """A used nonce on a purchase never sent: another machine or a lost ledger bought it. Never pay beside it."""
    if not isinstance(chain, ChainView):
        return Sign()
    if chain.state_final is NonceState.CANCELLED:
        return Free(chain.final_number, burned=True)
    if chain.state is NonceState.UNUSED:
        return Sign()
    if chain.settlement is not None:
        return Settle(chain.settlement)
    return Park(_NOT_FOUND)


def _exposed(p: Purchase, now: float, chain: ChainView | NotSeen, limits: Limits, sitting: Sitting) -> Action:
    if isinstance(chain, ChainView):
        if chain.settlement is not None and chain.state is NonceState.USED:
            return Settle(chain.settlement)
        if chain.state_final is NonceState.CANCELLED:
            return Free(chain.final_number, burned=True)
        if _dead(p, chain):
            return Free(chain.final_number, burned=False)
    wanted = p.data is Data.ABSENT and not p.loss_accepted
    if p.authorization is None and wanted and isinstance(chain, ChainView) and not _seen_used(chain):
        return Sign()
    presentable = p.authorization is not None and wanted and now < p.valid_until - limits.margin
    if presentable and sitting.presents < limits.presents and not _seen_used(chain):
        return Present()
    if chain is NotSeen.UNREAD:
        return Look()
    if chain is NotSeen.UNREACHABLE:
        return Park("the chain can't be read")
    if chain.state is NonceState.USED:
        return Park(_NOT_FOUND)
    if now < p.valid_until:
        return Park("the authorization is still valid and unused")
    return Park("no final block past validBefore yet")


def _dead(p: Purchase, chain: ChainView) -> bool:
    """EIP-3009: a transfer needs block time < validBefore, so unused in a final block at or past it is for ever."""
    return (
        chain.state_final is NonceState.UNUSED
        and chain.state is NonceState.UNUSED
        and chain.final_time >= p.valid_until > 0
    )


def _seen_used(chain: ChainView | NotSeen) -> bool:
    return isinstance(chain, ChainView) and chain.state is not NonceState.UNUSED


def _spent(p: Purchase, now: float, chain: ChainView | NotSeen, limits: Limits, sitting: Sitting) -> Action:
    if isinstance(chain, ChainView) and _taken_back(p, chain):
        return Unsettle()
    if isinstance(chain, ChainView) and _finalised(p, chain):
        assert chain.settlement is not None
        return Settle(chain.settlement)
    if p.data is Data.DELIVERED or p.loss_accepted:
        return Rest()
    if p.undelivered:
        return Claim() if not sitting.claims and claim_is_due(p, now, limits) else Rest()
    return Claim() if p.claims < limits.claims else GiveUp()


def claim_is_due(p: Purchase, now: float, limits: Limits) -> bool:
    """Whether an undelivered purchase is asked for once more: a seller may have mended what kept it from delivering."""
    if not p.undelivered or p.loss_accepted or p.settlement is None:
        return False
    done = max(0, p.claims - limits.claims)
    return done < len(limits.later) and now >= p.settlement.block_time.timestamp() + limits.later[done]


def _taken_back(p: Purchase, chain: ChainView) -> bool:
    """A settlement that was not final is gone, or a cancellation stands in its place. A server whose head is older
    than its block knows nothing of it (I9)."""
    held = p.settlement
    if held is None or held.final or chain.head_number < held.block_number:
        return False
    return chain.state is not NonceState.USED


def _finalised(p: Purchase, chain: ChainView) -> bool:
    """The settlement we hold was not final (or sits in another block now), and the chain shows a better one."""
    seen, held = chain.settlement, p.settlement
    if seen is None or held is None or held.final:
        return False
    return seen.final or seen.block_hash != held.block_hash
