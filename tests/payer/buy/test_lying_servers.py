"""One chain server lies, consistently and about every nonce: it never raises what can be spent (I3)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from payer.http.exchange import NoAnswer
from payer.payer import Payer
from payer.policy.rules import Caps
from payer.values.chain_view import ChainView, NonceState, Settlement
from payer.values.errors import OverBudget, PayerError
from payer.values.events import Answered, Sent, Settled, Signed
from payer.values.purchase import Data, Money
from tests.payer import purchases as p
from tests.payer import scripted as s
from tests.payer.buy.test_buy import signable

CAP = 3 * p.PRICE
CAPS = {"USDC": Caps(p.PRICE, CAP, CAP, CAP, CAP)}
Lie = Callable[[int], ChainView]


def _settled(now: int, **changes: object) -> ChainView:
    shown: Settlement = replace(p.settlement(), **changes)  # type: ignore[arg-type]
    return ChainView(20, now, 18, now, NonceState.USED, NonceState.USED, shown)


LIES: dict[str, Lie] = {
    "settled-for-one-unit": lambda now: _settled(now, value=1),
    "settled-for-one-unit-not-final": lambda now: _settled(now, value=1, final=False),
    "settled-to-another-payee-for-one-unit": lambda now: _settled(now, value=1, pay_to="0x" + "66" * 20),
    "settled-for-nothing": lambda now: _settled(now, value=0),
    "blocks-two-minutes-ahead": lambda now: ChainView(
        20, now + 120, 18, now + 120, NonceState.UNUSED, NonceState.UNUSED
    ),
    "blocks-a-day-ahead": lambda now: ChainView(20, now, 18, now + 86_400, NonceState.UNUSED, NonceState.UNUSED),
    "cancelled-finally": lambda now: ChainView(20, now, 18, now, NonceState.CANCELLED, NonceState.CANCELLED),
    "cancelled-and-blocks-ahead": lambda now: ChainView(
        20, now + 120, 18, now + 120, NonceState.CANCELLED, NonceState.CANCELLED
    ),
}
DELIVERS, SILENT = s.answer(200), NoAnswer("timed out")


@pytest.mark.parametrize("answer", [DELIVERS, SILENT], ids=["delivers", "silent"])
@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_what_one_server_says_never_lets_more_be_signed_than_the_caps_allow(lie: Lie, answer: s.Outcome) -> None:
    """Piece after piece, each looked at after it was paid, within the life of every signature."""
    seller = s.ScriptedSeller([answer])
    clock = s.FakeClock()
    told: list[Lie] = []
    unused = s.chain_view(NonceState.UNUSED)
    chain = s.ScriptedChain(lambda: told[0](int(clock.now().timestamp())) if told else unused)
    context = s.context(None, seller, chain, clock)
    context = replace(context, policy=replace(context.policy, caps=CAPS))
    at = Payer(context)

    async def piece(number: int) -> None:
        item = replace(p.wanted(number), payer=context.signer().address, terms=signable())
        lease = replace(p.LEASE, owner=context.owner, until=clock.now() + timedelta(seconds=60))
        run = p.run(f"run-{number}", at=p.NOW)
        [purchase] = context.ledger.reserve(run, [item], CAPS, lease)
        with contextlib.suppress(PayerError):
            await at.buy(purchase)

    refused = 0
    for number in range(8):
        clock.at = p.NOW + timedelta(seconds=number)
        told.clear()
        try:
            asyncio.run(piece(number))
        except OverBudget:
            refused += 1
        clock.at = p.NOW + timedelta(seconds=number)
        told.append(lie)
        asyncio.run(at.verify(context.ledger.purchases()))
        asyncio.run(at.recover())
    authorizations = [payment["payload"]["authorization"] for payment in seller.payments]  # type: ignore[index]
    signed = {one["nonce"]: int(one["value"]) for one in authorizations}
    assert sum(signed.values()) <= CAP
    assert refused == 5
    assert max(context.ledger.committed(p.USDC).values()) == CAP
    assert all(one.money in (Money.EXPOSED, Money.SPENT) for one in context.ledger.purchases())


def test_a_claim_that_signs_is_inside_the_caps_and_the_loss_limit() -> None:
    """That another machine paid is a server's word: what is signed on it counts and is bounded as any payment."""
    seller = s.ScriptedSeller([s.answer(403)])
    view = _settled(int(p.NOW.timestamp()), value=1)
    context = s.context(None, seller, s.ScriptedChain(lambda: view))
    item = replace(p.wanted(), payer=context.signer().address, terms=replace(signable(), amount=CAP), amount=p.PRICE)
    [reserved] = context.ledger.reserve(p.run(), [item], CAPS, replace(p.LEASE, owner=context.owner))
    spent = context.ledger.append(reserved, Settled(at=p.NOW, settlement=p.settlement(value=1)))
    tight = replace(context, policy=replace(context.policy, caps={"USDC": replace(CAPS["USDC"], per_day=CAP - 1)}))
    with pytest.raises(OverBudget, match="per_day"):
        asyncio.run(Payer(tight).buy(spent))
    assert seller.headers == []
    limits = {"s": replace(context.policy.sellers["s"], loss_limit=1)}
    lost = replace(p.wanted(1), payer=context.signer().address, terms=signable())
    [other] = context.ledger.reserve(p.run("two"), [lost], p.CAPS, replace(p.LEASE, owner=context.owner))
    kept = context.ledger.append(
        other,
        Signed(at=p.NOW, authorization=replace(p.authorization(other), payer=other.payer), terms=signable()),
        Sent(at=p.NOW),
    )
    context.ledger.append(kept, Answered(at=p.NOW, status=403, elapsed_ms=1))
    broke = replace(context, policy=replace(context.policy, sellers=limits))
    with pytest.raises(OverBudget, match="loss_limit"):
        asyncio.run(Payer(broke).buy(spent))
    assert seller.headers == []
    [stored] = [one for one in context.ledger.purchases() if one.purchase_id == spent.purchase_id]
    assert (stored.authorization, stored.data, stored.claims) == (None, Data.ABSENT, 0)
