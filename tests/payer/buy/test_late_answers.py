"""The second transition table: an answer that comes when the purchase stands elsewhere than when it was presented.

Standing × answer × when it comes × what the chain says then: each case is a row with an id, and its end is read from
ENDS. test_buy.py has the first table, every kind of answer to a purchase that nobody else has touched.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest

from payer.http.exchange import Answer, NoAnswer, NotSent
from payer.payer import Payer
from payer.values.chain_view import ChainView, NonceState
from payer.values.errors import PaidUndelivered, Refused, SellerUnreachable, Unresolved
from payer.values.events import Delivered, Event, Settled, Void
from payer.values.purchase import Data, Money, Purchase
from payer.values.request import Request
from tests.payer import purchases as p
from tests.payer import scripted as s
from tests.payer.buy.test_buy import reserved

DEARER = p.PRICE + 4000
FAR = p.VALID_BEFORE + 10_000

STANDING: dict[str, tuple[Event, ...]] = {
    "exposed": (),
    "exposed-delivered": (p.delivered(),),
    "spent": (Settled(at=p.NOW, settlement=p.settlement()),),
    "spent-not-final": (Settled(at=p.NOW, settlement=p.settlement(final=False)),),
    "spent-delivered": (Settled(at=p.NOW, settlement=p.settlement()), p.delivered()),
    "spent-not-final-delivered": (Settled(at=p.NOW, settlement=p.settlement(final=False)), p.delivered()),
    "void": (Void(at=p.NOW, reason="proved dead", proof_block=9),),
    "void-delivered": (Void(at=p.NOW, reason="proved dead", proof_block=9), p.delivered()),
    "burned": (Void(at=p.NOW, reason="cancelled", proof_block=9, burned=True),),
}
"""Events another process booked while the answer was on its way."""

ANSWERS: dict[str, s.Outcome] = {
    "200": s.answer(200),
    "404": s.answer(404),
    "402-same": s.challenge(),
    "402-dearer": s.challenge(DEARER),
    "402-another-echo": s.challenge(maxTimeoutSeconds=60),
    "503-with-receipt": s.answer(503, payment_response=s.encoded({"success": True, "transaction": "0x" + "cc" * 32})),
    "no-answer": NoAnswer("timed out"),
    "not-sent": NotSent("connection refused"),
}

WHEN = {"before": 30, "in-margin": p.WINDOW - 3, "after": 600}
"""Seconds after the signature."""

CHAINS: dict[str, Callable[[], ChainView | None]] = {
    "unused": lambda: s.chain_view(NonceState.UNUSED, final_time=p.VALID_BEFORE - 1),
    "dead": lambda: s.chain_view(NonceState.UNUSED, final_time=FAR),
    "used": lambda: s.chain_view(NonceState.USED, settlement=p.settlement()),
    "cancelled": lambda: s.chain_view(NonceState.CANCELLED, final_time=FAR),
    "one-unit": lambda: s.chain_view(NonceState.USED, settlement=p.settlement(value=1)),
    "unreachable": lambda: None,
    "stale": lambda: ChainView(8, 0, 7, 0, NonceState.UNUSED, NonceState.UNUSED),
}
"""`unused` and `dead` are a reorg for what is spent and not final: its block is 9, the head 20. `stale` has seen 8."""


def _row(*ends: str) -> Mapping[str, str]:
    return dict(zip(CHAINS, ends, strict=True))


ENDS: dict[str, Mapping[str, str]] = {
    # standing            unused     dead    used     cancelled one-unit   unreachable stale
    "exposed":         _row("exposed", "void", "spent", "burned", "exposed", "exposed", "exposed"),
    "spent":           dict.fromkeys(CHAINS, "spent"),
    "spent-not-final": _row("exposed", "void", "spent", "burned", "spent", "spent", "spent"),
    "void":            dict.fromkeys(CHAINS, "void"),
    "burned":          dict.fromkeys(CHAINS, "burned"),
}  # fmt: skip
"""Where the money ends. What the seller answered is not in it: but for a payment that never left, see `expected`."""


def cases() -> Iterator[Any]:
    for standing in STANDING:
        for answer in ANSWERS:
            # Only what is still in doubt is presented again, or not, by the time of day.
            for when in WHEN if standing == "exposed" else ("before", "after"):
                for chain in CHAINS:
                    yield pytest.param(standing, answer, when, chain, id=f"{standing}-{answer}-{when}-{chain}")


def expected(standing: str, answer: str, when: str, chain: str) -> tuple[str, Data]:
    """The end of a case: its money from ENDS, its data from what came. No server's word frees money before our own
    clock has passed validBefore, however far its blocks are ahead."""
    held = standing.endswith("delivered")
    if (standing, answer) == ("exposed", "not-sent"):
        return "void", Data.ABSENT
    money = ENDS[standing.removesuffix("-delivered")][chain]
    alive = when != "after" or (standing, answer) == ("exposed", "402-dearer")  # then it was signed again just now
    if alive and money in ("void", "burned") and standing.removesuffix("-delivered") not in ("void", "burned"):
        money = "exposed"
    return money, Data.DELIVERED if held or answer == "200" else Data.ABSENT


class Late(s.ScriptedSeller):
    """Its first answer takes its time; meanwhile another process books the purchase."""

    def __init__(self, answer: s.Outcome, meanwhile: tuple[Event, ...], seconds: int) -> None:
        super().__init__([answer])
        self.meanwhile, self.seconds = meanwhile, seconds
        self.desk: Payer
        self.clock: s.FakeClock

    async def send(self, request: Request, headers: Mapping[str, str], *, timeout: float) -> Answer:
        if not self.headers:
            self.clock.at += timedelta(seconds=self.seconds)
            [held] = self.desk.context.ledger.purchases()
            body = s.body(b"theirs") if any(isinstance(event, Delivered) for event in self.meanwhile) else None
            if self.meanwhile:
                self.desk.context.ledger.append(held, *self.meanwhile, body=body)
        return await super().send(request, headers, timeout=timeout)


def carried(seller: Late, view: Callable[[], ChainView | None]) -> Purchase:
    """Bought as far as it goes, then looked at twice, as two recoveries would."""
    seller.clock = s.FakeClock()
    chain = s.ScriptedChain(view)
    seller.desk = Payer(s.context(None, seller, chain, seller.clock))

    async def work() -> None:
        with contextlib.suppress(Unresolved, PaidUndelivered, SellerUnreachable, Refused):
            await seller.desk.buy(reserved(seller.desk))
        for _ in range(2):
            await seller.desk.verify(seller.desk.context.ledger.purchases())

    asyncio.run(work())
    [state] = seller.desk.context.ledger.purchases()
    return state


@pytest.mark.parametrize(("standing", "answer", "when", "chain"), list(cases()))
def test_an_answer_that_comes_late_ends_as_the_table_says(standing: str, answer: str, when: str, chain: str) -> None:
    """I1, I2, I3, I4, I9."""
    seller = Late(ANSWERS[answer], STANDING[standing], WHEN[when])
    state = carried(seller, CHAINS[chain])
    money, data = expected(standing, answer, when, chain)
    assert ("burned" if state.burned else state.money.value, state.data) == (money, data)
    signed = [payment["payload"]["authorization"] for payment in seller.payments]  # type: ignore[index]
    assert {one["nonce"] for one in signed} == {state.nonce}
    followed = (standing, answer) == ("exposed", "402-dearer")
    assert {int(one["value"]) for one in signed} <= ({p.PRICE, DEARER} if followed else {p.PRICE})
    if standing not in ("exposed", "spent", "spent-not-final"):
        assert len(signed) == 1
    out = DEARER if followed else p.PRICE
    committed = 0 if state.money is Money.VOID else out
    assert state.committed == committed
    assert set(seller.desk.context.ledger.committed(state.asset).values()) == {committed}
