"""Buy one piece in a loop: decide, act, append. After a crash, the same loop goes on from the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

from payer.buy import decide, send
from payer.buy.changed_terms import terms_to_sign
from payer.buy.decide import next_action
from payer.buy.lease import appended, leased_elsewhere
from payer.buy.look import look
from payer.context import PayerContext
from payer.ledger import Conflict
from payer.policy.rules import AttemptCounts
from payer.values.chain_view import NotSeen, View
from payer.values.errors import (
    ChainUnreachable,
    Interrupted,
    PaidUndelivered,
    PayerError,
    Refused,
    SignerRefused,
    SignerUnreachable,
    Unforeseen,
    Unresolved,
)
from payer.values.events import Denied, Event, Settled, Undelivered, Unsettled, Void
from payer.values.money import Amount
from payer.values.purchase import Data, Money, Purchase, where_it_is, whose
from payer.wire.seller_word import INSUFFICIENT_FUNDS, advice_for

_NOTHING_MATCHED = 404
_POLL_SECONDS = (0.2, 0.4, 0.8, 1.6)


async def buy(context: PayerContext, purchase: Purchase, view: View = NotSeen.UNREAD) -> Purchase:
    """Carry one purchase as far as it goes now: delivered, void, undelivered, or in doubt with its money exposed.

    A delivered purchase is returned with its money still exposed: `recover.verify` proves many in one look at the
    chain.

    Raises PaidUndelivered, or Unresolved when it stays in doubt; the ledger says so too. Raises Refused when an order
    declared free is answered by a demand for money, or when the seller's loss limit is reached. Raises Interrupted when
    the run was stopped before anything was signed, SignerUnreachable or SignerRefused when the first signature was not
    made. Any other failure is Unforeseen, so that a caller who awaits many purchases together loses no answer that is
    on its way.
    """
    try:
        return await _carry(context, purchase, view)
    except Interrupted:
        raise _stopped(await context.ledger.in_thread(context.ledger.again, purchase)) from None
    except (SignerRefused, SignerUnreachable) as failed:
        raise _not_signed(await context.ledger.in_thread(context.ledger.again, purchase), failed) from None
    except PayerError:
        raise
    except Exception as error:
        raise unforeseen(purchase, error) from error


def unforeseen(purchase: Purchase, error: Exception) -> Exception:
    """Wrap a defect of ours. The error's own text may quote secrets, so only its type is kept."""
    return Unforeseen(f"{purchase.title}: {type(error).__name__} while it was bought")


async def _carry(context: PayerContext, purchase: Purchase, view: View) -> Purchase:
    in_thread, polls = context.ledger.in_thread, 0
    # What another wallet pays, or policy no longer allows, is looked up and not presented.
    able = context.holds_key_of(purchase) and not await _forbids(context, purchase)
    counts = AttemptCounts(presents=0 if able else context.limits.presents)
    while purchase.data is Data.ABSENT:
        if leased_elsewhere(context, purchase) and purchase.money is not Money.VOID:
            context.stop.check()
            await context.clock.sleep(_POLL_SECONDS[min(polls, len(_POLL_SECONDS) - 1)])
            purchase, polls = await in_thread(context.ledger.again, purchase), polls + 1
            continue
        if _is_abandoned(context, purchase):
            voided = await in_thread(release, context, [purchase])
            purchase = voided[0] if voided else await in_thread(context.ledger.again, purchase)
            continue
        action = next_action(purchase, context.clock.now().timestamp(), view, context.limits, counts)
        if isinstance(action, decide.Sign | decide.Present | decide.Claim):
            context.stop.check()
        try:
            match action:
                case decide.Done():
                    return _finished(purchase)
                case decide.Wait(why):
                    raise await _waiting(context, purchase, why)
                case decide.Sign() if purchase.order.free:
                    async with context.stop.interruptible():
                        purchase = await send.fetch_free(context, purchase)
                case decide.Sign() | decide.Present() | decide.Claim() if not context.holds_key_of(purchase):
                    raise _other_wallet(purchase)
                case decide.Sign() | decide.Present() | decide.Claim() if not context.names_seller_of(purchase):
                    raise _seller_not_named(purchase)
                case decide.Sign() | decide.Claim() if forbidden := await _forbids_signing(context, purchase):
                    raise await _sign_no_more(context, purchase, forbidden)
                case decide.Sign():
                    async with send.turn(context, purchase):
                        terms = await terms_to_sign(context, purchase)
                        context.stop.check()
                        booked = await in_thread(send.sign, context, purchase, terms)
                        purchase = await send.send_signed(context, booked)
                    counts, view = _after_sending(context, purchase, counts), NotSeen.UNREAD
                case decide.Present():
                    await context.clock.sleep(send.pause(counts.presents))
                    async with send.turn(context, purchase):
                        now = context.clock.now()
                        if next_action(purchase, now.timestamp(), view, context.limits, counts) != action:
                            continue
                        purchase = await send.send_again(context, purchase)
                    counts, view = _after_sending(context, purchase, counts), NotSeen.UNREAD
                case decide.Claim():
                    counts = replace(counts, claims=counts.claims + 1)
                    purchase = await send.claim(context, purchase)
                case decide.Look():
                    view = (await look(context, [purchase]))[purchase.purchase_id]
                case decide.Settle() | decide.Free() | decide.Unsettle() | decide.GiveUp():
                    purchase = await appended(context, purchase, *book(context, purchase, action))
                case _ as unreachable:
                    assert_never(unreachable)
        except Conflict:
            purchase, view = await in_thread(context.ledger.again, purchase), NotSeen.UNREAD
    return purchase


def book(context: PayerContext, purchase: Purchase, action: decide.Action) -> list[Event]:
    """Return the events that record what the chain has proved, or that every claim failed; else none."""
    now = context.clock.now()
    match action:
        case decide.Settle(settlement):
            return [Settled(at=now, settlement=settlement)]
        case decide.Unsettle():
            return [Unsettled(at=now, reason="its block is no longer on the chain")]
        case decide.Free(proof_block, burned):
            reason = "the nonce was cancelled on chain" if burned else "unused in a final block past validBefore"
            return [Void(at=now, reason=reason, proof_block=proof_block, burned=burned)]
        case decide.GiveUp():
            return [Undelivered(at=now, reason=f"{purchase.claims} claims failed, last status {purchase.last_status}")]
    return []


def release(context: PayerContext, purchases: Sequence[Purchase]) -> list[Purchase]:
    """Void what was reserved and never sent, which frees its caps.

    Purchases that have moved on, or that another live process is working on, are left alone.
    """
    now = context.clock.now()
    reserved = [p for p in purchases if p.money is Money.RESERVED and not leased_elsewhere(context, p)]
    return context.ledger.append_all([(p, [Void(at=now, reason="never sent")]) for p in reserved]) if reserved else []


def _after_sending(context: PayerContext, purchase: Purchase, counts: AttemptCounts) -> AttemptCounts:
    """Count one more. A seller that says "nothing matches" settles nothing and would say so again: no more for now."""
    enough = purchase.last_status == _NOTHING_MATCHED
    return replace(counts, presents=context.limits.presents if enough else counts.presents + 1)


def _is_abandoned(context: PayerContext, purchase: Purchase) -> bool:
    """True if it was reserved by another process that is gone: judged then, counted for that process's run (I3, I6)."""
    lease = purchase.lease
    return purchase.money is Money.RESERVED and lease is not None and lease.owner != context.owner


def _finished(purchase: Purchase) -> Purchase:
    if purchase.undelivered and not purchase.loss_accepted:
        if told := whose(purchase):
            raise PaidUndelivered(f"{purchase.title} was {told}{_last_answer(purchase)}", advice=where_it_is(purchase))
        raise PaidUndelivered(f"{purchase.title} is paid and was never delivered{_last_answer(purchase)}")
    if purchase.money is Money.VOID and purchase.denied:
        raise Refused(f"{purchase.order.dataset}: {purchase.denied}")
    return purchase


async def _waiting(context: PayerContext, purchase: Purchase, why: str) -> Unresolved:
    """The error of a purchase in doubt: what the seller said, what keeps it from being presented, and what to do."""
    what = f"{purchase.title}: {why}{_last_answer(purchase)}"
    if any(INSUFFICIENT_FUNDS in said.lower() for said in purchase.answers):
        what += f"; {await _balance(context, purchase)}"
    forbidden = await _forbids(context, purchase)
    if not forbidden:
        return Unresolved(what, advice=advice_for(purchase.answers))
    return Unresolved(
        f"{what}; it is not presented again, because {forbidden}",
        advice="run `tollbook recover` later: it settles or voids by proof from the chain. To have it presented again, "
        "change that key back in the policy file first",
    )


async def _balance(context: PayerContext, purchase: Purchase) -> str:
    try:
        held = await context.chain.balance(purchase.asset, purchase.payer)
    except ChainUnreachable:
        return f"the balance of {purchase.payer} can't be read"
    due = Amount(purchase.committed, purchase.asset)
    return f"{purchase.payer} holds {Amount(held, purchase.asset)}, and {due} are due"


def _last_answer(purchase: Purchase) -> str:
    """Quote the seller's last answer and those before it: the first refusal often explains the others."""
    if purchase.last_status is None and not purchase.last_note:
        return ""
    status = "no answer" if purchase.last_status is None else f"status {purchase.last_status}"
    last = f"{status}{': ' + purchase.last_note if purchase.last_note else ''}"
    earlier = "; before that: " + "; ".join(purchase.answers[:-1]) if len(purchase.answers) > 1 else ""
    return f" (the seller's last answer: {last}{earlier})"


def _stopped(purchase: Purchase) -> PayerError:
    """Tell a purchase that was never sent from one that a stopped run leaves in doubt."""
    if purchase.money in (Money.RESERVED, Money.VOID):
        return Interrupted(f"{purchase.title}: the run was stopped before it was sent")
    return Unresolved(f"{purchase.title}: the run was stopped before it was settled{_last_answer(purchase)}")


def _not_signed(purchase: Purchase, failed: PayerError) -> PayerError:
    """Tell a purchase of which nothing was sent from one whose earlier payment waits for another signature."""
    if purchase.money in (Money.RESERVED, Money.VOID):
        return failed
    return Unresolved(
        f"{purchase.title} waits for the signer: {failed.what}{_last_answer(purchase)}", advice=failed.fix
    )


async def _forbids_signing(context: PayerContext, purchase: Purchase) -> str:
    """Say why policy forbids a first signature; a claim with the authorization that settled moves no money."""
    claims_what_settled = purchase.money is Money.SPENT and purchase.authorization is not None
    return "" if claims_what_settled else await _forbids(context, purchase)


async def _forbids(context: PayerContext, purchase: Purchase) -> str:
    """As the context says, which reads the ledger where policy names no payee."""
    if context.pins_payee_of(purchase):
        return await context.ledger.in_thread(context.forbids, purchase)
    return context.forbids(purchase)


async def _sign_no_more(context: PayerContext, purchase: Purchase, forbidden: str) -> PayerError:
    """The error of a payment that policy forbids before anything is signed; a reservation is void then."""
    if purchase.money is not Money.RESERVED:
        return await _waiting(context, purchase, "nothing is signed for it now")
    await appended(context, purchase, Denied(at=context.clock.now(), reason=forbidden))
    return Refused(f"{purchase.order.dataset}: {forbidden}")


def _other_wallet(purchase: Purchase) -> Unresolved:
    what = f"{purchase.title} is to be paid from wallet {purchase.payer}, not from this one"
    return Unresolved(what, advice="run `tollbook recover` with that wallet's key")


def _seller_not_named(purchase: Purchase) -> Unresolved:
    seller = purchase.order.seller
    return Unresolved(
        f"{purchase.title} was bought from {seller}, which policy no longer names",
        advice=f"put [sellers.{seller}] back into the policy file and run `tollbook recover`",
    )
