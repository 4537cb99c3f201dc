"""Deliberate defects of the payer, one at a time, to show that the checks can fail. Most are mistakes others made."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from payer import elsewhere as counting
from payer.buy import approve, buy, changed_terms, decide, quote, record, send
from payer.buy.look import look
from payer.chain import reader
from payer.context import PayerContext
from payer.http.exchange import Answer
from payer.ledger import Ledger, caps, read, refused_sellers, reserve
from payer.policy import price_drift
from payer.policy.clock_skew import ClockReadings
from payer.policy.rules import AttemptCounts, AttemptLimits
from payer.settle import reconcile, recover
from payer.stop import StopRequest
from payer.values.chain_view import ChainView, NonceState, NotSeen
from payer.values.events import Sent, Signed, Void, fold
from payer.values.purchase import Data, Money, Purchase
from payer.values.terms import Terms
from payer.wallet.eip3009 import Wallet
from payer.wallet.sign import authorize
from tasks.buy import overlaps
from tasks.buy import purchase as purchase_module
from tasks.buy.outcome import Bought
from tasks.buy.purchase import Batch
from tests.simulation.spool import SimSpool

Patch = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True)
class Defect:
    """A mistake, the rules one of which it must break, and the world that brings it out where not any will do.

    `seed`: the first one that is played, where lower ones were played and did not bring it out.
    """

    breaks: tuple[str, ...]
    apply: Patch
    world: tuple[str, ...] = ()
    faults: str | None = None
    seed: int = 1


def random_nonce(patch: pytest.MonkeyPatch) -> None:
    """A new nonce for each attempt, as the reference client signs."""
    present = send.present

    def presented(wallet: Wallet, purchase: Purchase) -> Any:
        assert purchase.authorization is not None
        fresh = replace(purchase.authorization, nonce="0x" + secrets.token_hex(32))
        return present(wallet, structs.replace(purchase, authorization=fresh))

    patch.setattr(send, "present", presented)


def nonce_by_machine(patch: pytest.MonkeyPatch) -> None:
    """Nonces that a lost ledger, or another machine, doesn't derive again. The checks are told of them, so that only
    the second transfer can give the defect away."""
    from tests.simulation.checks import Checks

    patch.setattr(approve, "nonce", lambda secret, asset, key, generation: "0x" + secrets.token_hex(32))
    leaves = Checks.leaves

    def knowing(self: Checks, process: Any, message: Any) -> None:
        held = process.machine.store.peek(
            "SELECT purchase_key, generation FROM purchases WHERE nonce = ?", message.payment.authorization.nonce
        )
        self.purchase_of[message.payment.authorization.nonce] = held[0]
        leaves(self, process, message)

    patch.setattr(Checks, "leaves", knowing)


def a_402_frees_the_money(patch: pytest.MonkeyPatch) -> None:
    """A 402 after sending is taken for a refusal."""
    _frees_at(patch, 402)


def _frees_at(patch: pytest.MonkeyPatch, status: int) -> None:
    record_answer = send.record_answer

    async def freeing(context: PayerContext, purchase: Purchase, answer: Answer, *rest: Any) -> Purchase:
        after = await record_answer(context, purchase, answer, *rest)
        if answer.status == status and after.money is Money.EXPOSED:
            event = Void(at=context.clock.now(), reason=str(status), proof_block=0)
            after = context.ledger.append(after, event)
        return after

    patch.setattr(send, "record_answer", freeing)


def the_clock_voids(patch: pytest.MonkeyPatch) -> None:
    """Past validBefore by the buyer's own clock counts as dead."""
    exposed = decide._exposed

    def by_clock(p: Purchase, now: float, chain: Any, limits: AttemptLimits, counts: AttemptCounts) -> Any:
        if now >= p.valid_until:
            return decide.Free(0, burned=False)
        return exposed(p, now, chain, limits, counts)

    patch.setattr(decide, "_exposed", by_clock)


def the_head_voids(patch: pytest.MonkeyPatch) -> None:
    """Unused at the newest block past validBefore is believed, final or not."""

    def dead(p: Purchase, chain: ChainView) -> bool:
        return chain.state is NonceState.UNUSED and chain.head_time >= p.valid_until > 0

    patch.setattr(decide, "_dead", dead)


def expiry_bumps_the_generation(patch: pytest.MonkeyPatch) -> None:
    """A void purchase that is wanted again gets a new nonce."""
    latest = read.latest

    def bumped(txn: Any, purchase_key: str) -> Purchase | None:
        found = latest(txn, purchase_key)
        void = found is not None and found.money is Money.VOID and found.data is Data.ABSENT
        return structs.replace(found, loss_accepted=True) if found is not None and void else found

    patch.setattr(read, "latest", bumped)


def late_settlements_are_not_booked(patch: pytest.MonkeyPatch) -> None:
    """Once past validBefore nobody looks whether it settled after all."""
    exposed = decide._exposed

    def deaf(p: Purchase, now: float, chain: Any, limits: AttemptLimits, counts: AttemptCounts) -> Any:
        action = exposed(p, now, chain, limits, counts)
        return decide.Wait("too late") if isinstance(action, decide.Settle) and now >= p.valid_until else action

    patch.setattr(decide, "_exposed", deaf)


def caps_are_not_checked(patch: pytest.MonkeyPatch) -> None:
    """Reservations are counted and never refused."""
    patch.setattr(caps, "check", lambda *_: None)


def the_breaker_sleeps(patch: pytest.MonkeyPatch) -> None:
    """Losses are looked at when a bill is approved, and not again as it is bought."""
    append = Ledger.append

    def blind(self: Ledger, *args: Any, **rest: Any) -> Purchase:
        return append(self, *args, **{**rest, "loss_limit": None})

    patch.setattr(Ledger, "append", blind)


def other_homes_are_not_counted(patch: pytest.MonkeyPatch) -> None:
    """The wallet's payments are read from the chain, and the caps look at this ledger alone."""
    patch.setattr(reserve, "elsewhere", lambda *_: {})


def the_wallet_is_counted_once(patch: pytest.MonkeyPatch) -> None:
    """A ledger counts what its wallet paid when it is new, and never again."""
    begun = counting._count

    async def once(context: PayerContext, asset: Any, since: Any) -> None:
        if context.ledger.elsewhere.scan(asset, context.signer().address) is None:
            await begun(context, asset, since)

    patch.setattr(counting, "_count", once)


def a_freeze_is_not_read(patch: pytest.MonkeyPatch) -> None:
    """A freeze is obeyed when a bill is approved, and not again as it is bought."""
    patch.setattr(refused_sellers, "signs_new_money", lambda *_: False)


def policy_is_read_when_signing_only(patch: pytest.MonkeyPatch) -> None:
    """A payment that was signed once is presented again whatever policy says by now."""
    patch.setattr(PayerContext, "forbids", lambda *_: "")


def sending_before_writing(patch: pytest.MonkeyPatch) -> None:
    """A payment leaves that the ledger doesn't know of yet."""

    def forgetful(context: PayerContext, purchase: Purchase, terms: Terms) -> Purchase:
        now = context.clock.now()
        authorization = authorize(context.policy, terms, payer=purchase.payer, nonce=purchase.nonce, now=now)
        signed = fold(purchase, Signed(at=now, authorization=authorization, terms=terms))
        return fold(signed, Sent(at=now))

    patch.setattr(send, "sign", forgetful)


def payees_are_not_pinned(patch: pytest.MonkeyPatch) -> None:
    """Whoever a 402 names is paid."""
    judge = quote.judge_answer

    def trusting(context: PayerContext, order: Any, answer: Answer) -> Any:
        seller = replace(context.policy.sellers[order.seller], pay_to=())
        policy = replace(context.policy, sellers={order.seller: seller})
        return judge(replace(context, policy=policy), order, answer)

    for module in (quote, changed_terms):
        patch.setattr(module, "judge_answer", trusting)
    patch.setattr(Ledger, "payee", lambda *_: None)


def unreachable_is_unused(patch: pytest.MonkeyPatch) -> None:
    """No answer from the chain is read as "unused" (I9)."""

    async def trusting(context: PayerContext, purchases: Any) -> Mapping[str, Any]:
        views = await look(context, purchases)
        now = int(context.clock.now().timestamp())
        unused = ChainView(1, now, 1, now, NonceState.UNUSED, NonceState.UNUSED)
        return {name: unused if view is NotSeen.UNREACHABLE else view for name, view in views.items()}

    for module in (buy, approve, recover, reconcile):
        patch.setattr(module, "look", trusting)


def bodies_lose_races(patch: pytest.MonkeyPatch) -> None:
    """A body that came while another process wrote is dropped."""
    a_lease_is_ignored(patch)
    patch.setattr(record, "_append_to_latest", lambda context, purchase, answer: context.ledger.again(purchase))


def settled_for_ever(patch: pytest.MonkeyPatch) -> None:
    """A settlement that a reorg took back stays booked."""
    spent = decide._spent

    def stubborn(*known: Any) -> Any:
        action = spent(*known)
        return decide.Done() if isinstance(action, decide.Unsettle) else action

    patch.setattr(decide, "_spent", stubborn)


def a_stop_is_not_looked_at(patch: pytest.MonkeyPatch) -> None:
    """A purchase that has begun goes on presenting after the stop is requested."""
    patch.setattr(StopRequest, "check", lambda _: None)


def one_server_frees(patch: pytest.MonkeyPatch) -> None:
    """The word of one server is enough where several are configured."""
    patch.setattr(reader, "NEEDED", 1)


def the_first_server_is_believed(patch: pytest.MonkeyPatch) -> None:
    """The word of the first server that answers is the chain's view; the others are for failing over."""
    combine = reader.combine
    patch.setattr(reader, "combine", lambda views, configured: combine(views[:1], 1))


def a_404_is_known_empty(patch: pytest.MonkeyPatch) -> None:
    """A seller that says "nothing matches" is believed not to have taken the money."""
    _frees_at(patch, 404)


def the_spool_is_left_out(patch: pytest.MonkeyPatch) -> None:
    """A body that comes while the ledger can't be written is dropped."""
    patch.setattr(SimSpool, "put", lambda self, purchase_id, *_: Path(purchase_id))


def the_spool_is_never_booked(patch: pytest.MonkeyPatch) -> None:
    """A body is kept, and nobody looks for it."""
    patch.setattr(recover, "book_spooled", lambda _: set())


def a_lost_ledger_ends_a_run_at_once(patch: pytest.MonkeyPatch) -> None:
    """One call meets a ledger that is gone, and the answers to the others are not waited for."""

    async def gather(work: Any) -> list[Any]:
        return await asyncio.gather(*work)

    async def meet(batch: Batch, bought: Bought) -> Bought:
        latest = await batch.ws.ledger.in_thread(batch.ws.ledger.get, bought.purchase.purchase_id)
        return replace(bought, purchase=latest or bought.purchase)

    async def carry(batch: Batch, purchase: Purchase) -> None:
        if not batch.stopped and not batch.ws.stop.requested:
            await batch._attempt(purchase)

    patch.setattr(purchase_module, "all_ended", gather)
    patch.setattr(Batch, "_latest", meet)
    patch.setattr(Batch, "carry", carry)


def bodies_are_not_judged(patch: pytest.MonkeyPatch) -> None:
    """Whatever comes with a 200 is what was paid for."""
    for module in (send, recover):
        patch.setattr(module, "judge_body", lambda _, purchase: purchase)


def the_clock_is_not_compared(patch: pytest.MonkeyPatch) -> None:
    """A payment is signed by our clock, whatever the seller's Date says."""
    patch.setattr(ClockReadings, "fault", lambda *_: "")


def fresh_terms_are_signed_at_any_price(patch: pytest.MonkeyPatch) -> None:
    """A seller of any payee is asked once more, and what it asks then is signed, reserved or not."""

    async def signed(context: PayerContext, purchase: Purchase) -> Terms:
        answer = await context.ask(purchase.order.seller, purchase.order.request, {})
        return changed_terms.offered_terms(context, purchase, answer)[0] or purchase.terms  # type: ignore[return-value]

    patch.setattr(buy, "terms_to_sign", signed)


def drift_is_not_limited(patch: pytest.MonkeyPatch) -> None:
    """A price that rose is paid without an operator, as long as the caps hold."""
    patch.setattr(price_drift, "highest_allowed", lambda *_: 10**9)


def overlaps_are_not_looked_at(patch: pytest.MonkeyPatch) -> None:
    """A run buys all that it reserved, whatever others have reserved or sent of the same cells."""

    async def blind(*known: Any) -> Any:
        return known[-1]

    patch.setattr(overlaps, "give_way", blind)


def the_dead_buy_nothing(patch: pytest.MonkeyPatch) -> None:
    """Payments that a process had sent before it died are overlooked by those who want the same cells."""
    rivals = overlaps._rivals

    def alive(ws: Any, *rest: Any) -> list[Purchase]:
        return [q for q in rivals(ws, *rest) if q.data is not Data.ABSENT or overlaps.is_live(ws, q)]

    patch.setattr(overlaps, "_rivals", alive)


def a_lease_is_ignored(patch: pytest.MonkeyPatch) -> None:
    """No defect: a lease is courtesy, and the nonce is what pays once."""
    for module in (buy, approve, recover):
        patch.setattr(module, "leased_elsewhere", lambda *_: False)


PAID, BOOKS = "I1 transfers", ("I5 books", "I5 covered", "I9 void", "I9 proof")

DEFECTS = {
    "random_nonce": Defect(("I2 nonce",), random_nonce),
    "nonce_by_machine": Defect((PAID,), nonce_by_machine, faults="lost", seed=13),
    "a_402_frees_the_money": Defect(BOOKS, a_402_frees_the_money, faults="settle_402,late"),
    "a_404_is_known_empty": Defect(BOOKS, a_404_is_known_empty, faults="settle_404:0.5"),
    "the_spool_is_left_out": Defect(("I4 body",), the_spool_is_left_out, ("jobs=4",), "disk_down:0.6", seed=10),
    "the_spool_is_never_booked": Defect(
        ("I4 spool",), the_spool_is_never_booked, ("jobs=4",), "disk_down:0.6", seed=10
    ),
    "a_lost_ledger_ends_a_run_at_once": Defect(
        ("I11 answers", "I4 body"), a_lost_ledger_ends_a_run_at_once, ("jobs=4",), "disk_gone:0.6", seed=10
    ),
    "bodies_are_not_judged": Defect(("I12 losses",), bodies_are_not_judged, faults="spoil"),
    "the_clock_is_not_compared": Defect(("I6 clock",), the_clock_is_not_compared, ("jobs=3",), "clock,wrong_date:0.3"),
    "fresh_terms_are_signed_at_any_price": Defect(
        ("I3 caps",), fresh_terms_are_signed_at_any_price, ("any_payee=True", "tight=True"), "new_price:0.5", seed=42
    ),
    "drift_is_not_limited": Defect(("I6 policy",), drift_is_not_limited, ("jobs=4", "slots=1"), "raise"),
    "the_clock_voids": Defect(BOOKS, the_clock_voids, faults="clock,lose,late"),
    "the_head_voids": Defect(
        BOOKS,
        the_head_voids,
        ("finality_blocks=40", "jobs=8", "slots=1", "pieces=60", "rpc=False"),
        "reorg:1,late:0.8",
        seed=5,
    ),
    "expiry_bumps_the_generation": Defect(("I2 generation",), expiry_bumps_the_generation, faults="drop,crash"),
    "late_settlements_are_not_booked": Defect(("liveness", *BOOKS), late_settlements_are_not_booked, faults="late"),
    "caps_are_not_checked": Defect(("I3 caps", "I3 wallet"), caps_are_not_checked, world=("tight=True",)),
    "other_homes_are_not_counted": Defect(
        ("I3 wallet",),
        other_homes_are_not_counted,
        ("tight=True", "machines=2", "jobs=3", "past=4", "rpc=False"),
        "none",
    ),
    "the_wallet_is_counted_once": Defect(
        ("I3 wallet",), the_wallet_is_counted_once, ("jobs=8", "slots=1", "pieces=64", "rpc=False"), "slow"
    ),
    "the_breaker_sleeps": Defect(
        ("I3 losses",), the_breaker_sleeps, ("tight=True", "forgiving=False", "pieces=128"), "settle_503:0.9"
    ),
    "a_freeze_is_not_read": Defect(
        ("I6 frozen",), a_freeze_is_not_read, ("jobs=3", "slots=1", "rpc=False", "pieces=128"), "freeze:0.6"
    ),
    "policy_is_read_when_signing_only": Defect(
        ("I6 stricter",),
        policy_is_read_when_signing_only,
        ("jobs=3", "slots=2", "rpc=False"),
        "stricter,drop:0.5,crash",
        seed=56,
    ),
    "sending_before_writing": Defect(("write ahead",), sending_before_writing),
    "payees_are_not_pinned": Defect(("I6 policy",), payees_are_not_pinned, faults="swap"),
    "unreachable_is_unused": Defect(BOOKS, unreachable_is_unused, ("jobs=6",), "rpc_down:0.05,late:0.8,clock"),
    "bodies_lose_races": Defect(("I4 body",), bodies_lose_races, ("slots=3",), "settle_402,lose,slow", seed=6),
    "a_stop_is_not_looked_at": Defect(
        ("I11 begun",), a_stop_is_not_looked_at, ("jobs=4",), "stop:1,lose,settle_402", seed=5
    ),
    "one_server_frees": Defect(
        BOOKS,
        one_server_frees,
        ("servers=2", "machines=1", "jobs=6"),
        "rpc_liar,rpc_down:0.05,settle_402:0.5,lose:0.5",
    ),
    "the_first_server_is_believed": Defect(
        BOOKS, the_first_server_is_believed, ("servers=2", "machines=1"), "rpc_liar,late,drop"
    ),
    "overlaps_are_not_looked_at": Defect(
        ("cells once",), overlaps_are_not_looked_at, ("overlapping=True", "slots=3", "machines=1"), "slow"
    ),
    "the_dead_buy_nothing": Defect(
        ("cells once",), the_dead_buy_nothing, ("overlapping=True", "slots=3", "jobs=3", "machines=1"), "crash,slow:0.5"
    ),
    "a_settlement_is_believed_for_ever": Defect((*BOOKS, "liveness"), settled_for_ever, faults="reorg"),
}
