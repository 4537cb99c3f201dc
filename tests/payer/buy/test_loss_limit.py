"""The breaker: how much a seller can keep without delivering before nothing more is signed for it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

import pytest

from payer.http.exchange import Answer, NoAnswer
from payer.ledger import Ledger
from payer.payer import Payer
from payer.policy.file import parse_policy
from payer.values.errors import OverBudget, PaidUndelivered, PayerError, Unresolved
from payer.values.events import (
    Answered,
    Delivered,
    DeliveryFailed,
    Event,
    LossAccepted,
    Sent,
    Settled,
    Undelivered,
    Void,
)
from payer.values.purchase import Data, Money, Purchase
from payer.values.request import Request
from tests.payer import purchases as p
from tests.payer import scripted as s
from tests.payer.buy.test_buy import CHAINS

LIMIT = 15 * p.PRICE
POLICY = s.POLICY.replace('per_run = "1.00"', 'per_run = "2.00"') + 'loss_limit = "0.30"\n'


def desk(seller: s.ScriptedSeller, chain: str) -> Payer:
    context = s.context(None, seller, s.ScriptedChain(CHAINS[chain].view))
    return Payer(replace(context, policy=parse_policy(POLICY)))


async def one_run(at: Payer, count: int) -> list[BaseException | Purchase]:
    """Approve that many, then buy them side by side."""
    orders = [s.order(number) for number in range(count)]
    approved = await at.approve(p.run(), orders, await at.quote(orders))
    return await asyncio.gather(*map(at.buy, approved.purchases), return_exceptions=True)


DENIES = {
    "takes-and-answers-500": (s.answer(500), "used", PaidUndelivered, "took 0.3 USDC"),
    "takes-and-is-silent": (NoAnswer("reset"), "used", PaidUndelivered, "took 0.3 USDC"),
    "nobody-knows-what-it-took": (s.answer(500), "unreachable", Unresolved, "took, or may have taken, 0.3 USDC"),
}


@pytest.mark.parametrize(("answer", "chain", "raised", "says"), DENIES.values(), ids=DENIES)
def test_a_seller_that_keeps_money_is_paid_no_more_within_the_run_than_the_loss_that_policy_bears(
    answer: s.Outcome, chain: str, raised: type[PayerError], says: str
) -> None:
    """Approved at once, 58 calls would else lose 58 prices."""
    seller = s.ScriptedSeller([s.challenge(), answer])
    at = desk(seller, "used")
    orders = [s.order(number) for number in range(50)]

    async def run() -> list[BaseException | Purchase]:
        approved = await at.approve(p.run(), orders, await at.quote(orders))
        assert isinstance(at.context.chain, s.ScriptedChain)
        at.context.chain.view = CHAINS[chain].view
        return await asyncio.gather(*map(at.buy, approved.purchases), return_exceptions=True)

    at.context.chain.view = CHAINS["unused"].view  # type: ignore[attr-defined]
    ended = asyncio.run(run())
    refused = [error for error in ended if isinstance(error, OverBudget)]
    assert [type(error) for error in ended if not isinstance(error, OverBudget)] == [raised] * 15
    assert len(refused) == 35
    assert says in str(refused[0])
    held = at.context.ledger.purchases()
    assert sum(one.committed for one in held) == LIMIT
    assert {one.money for one in held if one.committed == 0} == {Money.VOID}
    assert {payment["payload"]["authorization"]["nonce"] for payment in seller.payments} == {  # type: ignore[index]
        one.nonce for one in held if one.committed
    }


class Gathering(s.ScriptedSeller):
    """Answers nobody before so many payments are on their way."""

    def __init__(self, expected: int) -> None:
        super().__init__([s.challenge(), s.answer(200)])
        self.all_here = asyncio.Event()
        self.expected = expected

    async def send(self, request: Request, headers: Mapping[str, str], *, timeout: float) -> Answer:
        answer = await super().send(request, headers, timeout=timeout)
        if len(self.payments) == self.expected:
            self.all_here.set()
        if self.payments:
            await self.all_here.wait()
        return answer


def test_payments_on_their_way_are_no_loss_yet() -> None:
    at = desk(Gathering(40), "unused")
    bought = asyncio.run(asyncio.wait_for(one_run(at, 40), 30))
    assert [one.data for one in bought if isinstance(one, Purchase)] == [Data.DELIVERED] * 40


FAILED = DeliveryFailed(at=p.NOW, reason="not JSON")
RISKS: dict[str, tuple[tuple[Event, ...], int]] = {
    "on-its-way": ((), 0),
    "answered-without-delivery": ((Answered(at=p.NOW, status=500, elapsed_ms=1),), p.PRICE),
    "not-answered": ((Answered(at=p.NOW, status=None, elapsed_ms=1, note="timed out"),), p.PRICE),
    "spent-and-being-claimed": (
        (Answered(at=p.NOW, status=402, elapsed_ms=1), Settled(at=p.NOW, settlement=p.settlement())),
        p.PRICE,
    ),
    "undelivered-not-final": (
        (Settled(at=p.NOW, settlement=p.settlement(final=False)), Undelivered(at=p.NOW, reason="no")),
        p.PRICE,
    ),
    "undelivered": ((Settled(at=p.NOW, settlement=p.settlement()), Undelivered(at=p.NOW, reason="no")), p.PRICE),
    "answer-never-waited-for": (
        (
            Settled(at=p.NOW, settlement=p.settlement()),
            Sent(at=p.NOW, claim=True),
            Answered(at=p.NOW, status=402, elapsed_ms=1),
            Undelivered(at=p.NOW, reason="no"),
        ),
        0,
    ),
    "answer-waited-for-then-claimed": (
        (
            Answered(at=p.NOW, status=None, elapsed_ms=1, note="timed out"),
            Settled(at=p.NOW, settlement=p.settlement()),
            Sent(at=p.NOW, claim=True),
            Answered(at=p.NOW, status=402, elapsed_ms=1),
            Undelivered(at=p.NOW, reason="no"),
        ),
        p.PRICE,
    ),
    "presented-again-after-a-death": ((Sent(at=p.NOW), Answered(at=p.NOW, status=402, elapsed_ms=1)), 0),
    "delivered": ((p.delivered(),), 0),
    "failed-in-doubt": ((p.delivered(), FAILED), p.PRICE),
    "failed-and-spent": ((p.delivered(), FAILED, Settled(at=p.NOW, settlement=p.settlement())), p.PRICE),
    "failed-and-never-paid": ((Void(at=p.NOW, reason="dead", proof_block=9), p.delivered(), FAILED), 0),
    "failed-and-accepted": (
        (p.delivered(), FAILED, Settled(at=p.NOW, settlement=p.settlement()), LossAccepted(at=p.NOW, by="me")),
        0,
    ),
    "loss-accepted": (
        (
            Settled(at=p.NOW, settlement=p.settlement()),
            Undelivered(at=p.NOW, reason="no"),
            LossAccepted(at=p.NOW, by="me"),
        ),
        0,
    ),
}


@pytest.mark.parametrize(("happened", "lost"), RISKS.values(), ids=RISKS)
def test_what_counts_as_lost(ledger: Ledger, happened: tuple[Event, ...], lost: int) -> None:
    """Once each, on both stores."""
    first, second = ledger.reserve(p.run(), [p.wanted(1), p.wanted(2)], p.CAPS, p.LEASE)
    sent = ledger.append(first, p.signed(first), Sent(at=p.NOW))
    if happened:
        body = s.body(b"no") if any(isinstance(event, Delivered) for event in happened) else None
        ledger.append(sent, *happened, body=body)
    signs = p.signed(second), Sent(at=p.NOW)
    if lost:
        with pytest.raises(OverBudget, match=r"s took.* 0\.02 USDC and (did not deliver|delivered nothing)"):
            ledger.append(second, *signs, loss_limit=lost)
        with pytest.raises(OverBudget):
            ledger.append(second, *signs, loss_limit=0)
        assert ledger.get(second.purchase_id) == second
    assert ledger.append(second, *signs, loss_limit=lost + 1 if lost else 0).money is Money.EXPOSED


def test_what_is_held_already_is_carried_on_whatever_the_seller_kept(ledger: Ledger) -> None:
    """Nothing new is paid for it: the run claims, or says that it is in doubt."""
    [first] = ledger.reserve(p.run("one"), [p.wanted(1)], p.CAPS, p.LEASE)
    sent = ledger.append(first, p.signed(first), Sent(at=p.NOW), Answered(at=p.NOW, status=500, elapsed_ms=1))
    assert ledger.reserve(p.run("two"), [p.wanted(1)], p.CAPS, p.LEASE, {"s": p.PRICE}) == [sent]
    with pytest.raises(OverBudget):
        ledger.reserve(p.run("two"), [p.wanted(1), p.wanted(2)], p.CAPS, p.LEASE, {"s": p.PRICE})
