"""The events of a purchase, and the fold that computes its state from them. Append-only; state is never updated.

intent ─▶ signed+sent ─▶ answered* ─▶ delivered [─▶ deliveryfailed]
                                                           only the chain proves settled, void and undelivered
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from payer.values.chain_view import Settlement
from payer.values.money import Asset
from payer.values.purchase import Data, Money, Purchase
from payer.values.request import Order, Run
from payer.values.terms import Authorization, Terms


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Base of all events; `at` is aware UTC, by the payer's clock."""

    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent(Event):
    """Money is reserved inside the caps; nothing is signed. On a void purchase: ordered again, over the same nonce.

    `asset`, `payer` and `nonce` are what it is paid with; intents of older tollbooks do not name them.
    """

    order: Order
    run: Run
    reserved: int
    terms: Terms | None
    from_block: int | None
    asset: Asset | None = None
    payer: str = ""
    nonce: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed(Event):
    """An authorization was signed. A later one over the same nonce may have another value; the largest stays reserved.

    The same authorization again means that only the echoed terms changed. After a settlement, only the authorization
    that paid may be signed, to claim with.
    """

    authorization: Authorization
    terms: Terms


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent(Event):
    """From here on the authorization may have left the machine. `claim`: it was presented after it had settled."""

    claim: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsent(Event):
    """The last send never left the machine (no connection was made), so it exposes nothing."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered(Event):
    """The answer to a send, as evidence: no HTTP answer frees money. `status` is None if none came; `note` says why.

    `broke_off`: it ended, or its time did, before it was whole, so that it delivers nothing whatever its status.
    """

    status: int | None
    elapsed_ms: int
    note: str = ""
    receipt_tx: str | None = None
    body_sha256: str | None = None
    broke_off: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered(Event):
    """The body is in the ledger, in the same commit as this event (I4)."""

    status: int
    content_type: str
    sha256: str
    size: int
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFailed(Event):
    """The body that arrived can't be used: no rows for the money. It is kept, and only an operator reopens it."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled(Event):
    """The chain shows AuthorizationUsed and the matching Transfer."""

    settlement: Settlement


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsettled(Event):
    """A reorg removed the settlement before it was final: the money is exposed again."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Void(Event):
    """No money moved and none can: never sent, or unused in a final block past validBefore.

    `burned`: the nonce was cancelled on chain. Only this wallet's key can do that, so an operator has to look.
    """

    reason: str
    proof_block: int | None = None
    burned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied(Event):
    """Policy refused the purchase before anything was signed."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Undelivered(Event):
    """The money is spent, and every claim for the body failed."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LossAccepted(Event):
    """Operator approval to buy this purchase again, as the next generation (I2).

    Nothing came for the money, or a body of no use, which is kept. Allowed only once the settlement is final: a reorg
    could otherwise let both generations be paid.
    """

    by: str


_ANSWERS_KEPT = 5


class IllegalEvent(AssertionError):
    """Raised when an event is impossible in a purchase's state: a defect, caught before the event is committed."""


def _require(allowed: bool, purchase: Purchase, event: Event) -> None:
    if not allowed:
        raise IllegalEvent(f"{type(event).__name__} on {purchase.purchase_id} while {purchase.money}, {purchase.data}")


def _then(purchase: Purchase, **changes: Any) -> Purchase:
    return replace(purchase, version=purchase.version + 1, **changes)


def _with_answer(answers: tuple[str, ...], event: Answered) -> tuple[str, ...]:
    """Add an answer that did not deliver, unless it repeats the one before. The first is kept, and the newest few."""
    if event.status is not None and 200 <= event.status < 300 and not event.broke_off:
        return answers
    said = str(event.status or "no answer") + (f": {event.note}" if event.note else "")
    if answers[-1:] == (said,):
        return answers
    return (*answers, said) if len(answers) < _ANSWERS_KEPT else (answers[0], *answers[2:], said)


def fold(p: Purchase, event: Event) -> Purchase:
    """Return the purchase's state after one more event. Pure. Raises IllegalEvent for one that is impossible in it."""
    match event:
        case Intent():
            fresh = p.version == 0 or (p.money is Money.VOID and p.data is Data.ABSENT)
            _require(fresh and not p.burned, p, event)
            return _then(
                p,
                order=event.order,
                run=event.run,
                money=Money.RESERVED,
                reserved=event.reserved,
                terms=event.terms,
                authorization=None,
                sends=0,
                earlier_sends=p.earlier_sends + p.sends,
                claims=0,
                last_status=None,
                last_note="",
                answers=(),
                denied=None,
                from_block=event.from_block if p.from_block is None else p.from_block,
            )
        case Signed():
            to_claim = p.money is Money.SPENT and not p.paid_by(p.authorization) and p.paid_by(event.authorization)
            to_claim |= p.money is Money.SPENT and p.authorization is None
            _require((p.money in (Money.RESERVED, Money.EXPOSED) or to_claim) and p.data is Data.ABSENT, p, event)
            _require(event.authorization.nonce == p.nonce and event.authorization.payer == p.payer, p, event)
            _require(event.authorization.asset == p.asset, p, event)
            return _then(
                p,
                authorization=event.authorization,
                terms=event.terms,
                reserved=max(p.reserved, event.authorization.value),
                valid_until=max(p.valid_until, event.authorization.valid_before),
            )
        case Sent(claim=True):
            _require(p.money is Money.SPENT and p.data is Data.ABSENT, p, event)
            return _then(p, claims=p.claims + 1)
        case Sent():
            _require(p.authorization is not None and p.data is Data.ABSENT, p, event)
            _require(p.money in (Money.RESERVED, Money.EXPOSED), p, event)
            return _then(p, money=Money.EXPOSED, sends=p.sends + 1, first_sent_at=p.first_sent_at or event.at)
        case Unsent():
            _require(p.money is Money.EXPOSED and p.data is Data.ABSENT and p.sends > 0, p, event)
            return _then(p, money=Money.EXPOSED if p.sends > 1 else Money.RESERVED, sends=p.sends - 1)
        case Answered():
            return _then(
                p,
                last_status=event.status,
                last_note=event.note,
                receipt_tx=event.receipt_tx or p.receipt_tx,
                answers=_with_answer(p.answers, event),
            )
        case Delivered():
            _require(p.data is Data.ABSENT, p, event)
            unpaid = p.money is Money.RESERVED
            return _then(
                p,
                data=Data.DELIVERED,
                money=Money.VOID if unpaid else p.money,
                undelivered=False,
                delivered_at=event.received_at,
            )
        case DeliveryFailed():
            _require(p.data is Data.DELIVERED and not p.failure, p, event)
            return _then(p, failure=event.reason)
        case Settled(settlement=settlement):
            return _then(p, money=Money.SPENT, spent=settlement.value, settlement=settlement)
        case Unsettled():
            _require(p.money is Money.SPENT and p.settling, p, event)
            return _then(
                p,
                money=Money.EXPOSED,
                reserved=max(p.reserved, p.spent),
                spent=0,
                claims=0,
                settlement=None,
                undelivered=False,
            )
        case Void():
            _require(p.money in (Money.RESERVED, Money.EXPOSED), p, event)
            never_sent = p.money is Money.RESERVED and event.proof_block is None
            _require(never_sent or event.proof_block is not None, p, event)
            return _then(p, money=Money.VOID, burned=event.burned)
        case Denied():
            _require(p.money is Money.RESERVED, p, event)
            return _then(p, money=Money.VOID, denied=event.reason)
        case Undelivered():
            _require(p.money is Money.SPENT and p.data is Data.ABSENT, p, event)
            return _then(p, undelivered=True)
        case LossAccepted():
            _require(p.losable and not p.loss_accepted, p, event)
            return _then(p, loss_accepted=True)
    raise IllegalEvent(f"no rule for {type(event).__name__}")


KINDS: dict[str, type[Event]] = {
    kind.__name__.lower(): kind
    for kind in (
        *(Intent, Signed, Sent, Unsent, Answered, Delivered, DeliveryFailed),
        *(Settled, Unsettled, Void, Denied, Undelivered, LossAccepted),
    )
}
"""Event classes by their names in the ledger."""
