"""A void purchase that is ordered again, or a settlement that a reorg removed: what the purchase keeps of its past."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from payer.buy.decide import Look, Sign, Wait, next_action
from payer.buy.quote import requote
from payer.http.exchange import NotSent
from payer.payer import Payer
from payer.policy.rules import AttemptLimits
from payer.values.chain_view import ChainView, NonceState, NotSeen
from payer.values.events import Sent, Settled, Signed, Unsettled, Void
from payer.values.purchase import Data, Money, Purchase
from payer.wallet.sign import authorize
from tests.payer import purchases as p
from tests.payer import scripted as s

DEARER = p.PRICE + 1_000


def test_a_purchase_wanted_again_forgets_the_authorization_that_died() -> None:
    """Its terms are new, and a header is only made of an authorization and its own terms. What may still be alive isn't
    forgotten: valid_until stays."""
    again = p.after(p.void(), p.intent(p.blank()))
    assert (again.money, again.authorization, again.claims) == (Money.RESERVED, None, 0)
    assert again.valid_until == p.VALID_BEFORE


def test_claims_begin_again_after_a_reorg() -> None:
    again = p.after(
        p.after(p.exposed(), Settled(at=p.NOW, settlement=p.settlement(final=False))),
        Sent(at=p.NOW, claim=True),
        Unsettled(at=p.NOW, reason="reorg"),
    )
    assert (again.money, again.claims) == (Money.EXPOSED, 0)


def anothers_payment_taken_back() -> Purchase:
    """Reserved, found used by another machine, and then a reorg."""
    settled = Settled(at=p.NOW, settlement=p.settlement(final=False))
    return p.after(p.reserved(), settled, Unsettled(at=p.NOW, reason="reorg"))


@pytest.mark.parametrize(
    ("chain", "action"),
    [
        pytest.param(s.chain_view(NonceState.UNUSED), Sign, id="unused"),
        pytest.param(s.chain_view(NonceState.USED), Wait, id="used-without-logs"),
        pytest.param(NotSeen.UNREAD, Look, id="unread"),
        pytest.param(NotSeen.UNREACHABLE, Wait, id="unreachable"),
    ],
)
def test_anothers_payment_that_a_reorg_took_back_is_paid_by_us(
    chain: ChainView | NotSeen, action: type[object]
) -> None:
    """Nothing of ours could ever expire, so waiting for proof of death would be for ever. The nonce still pays once."""
    purchase = anothers_payment_taken_back()
    assert isinstance(next_action(purchase, p.NOW.timestamp(), chain, AttemptLimits()), action)


def test_a_body_is_claimed_with_new_terms_when_the_price_moved_between_two_lives(tmp_path: Path) -> None:
    """First life: signed at the old price, never sent. Second: dearer, and meanwhile another machine paid."""
    seller = s.ScriptedSeller([s.challenge(), NotSent("refused"), s.challenge(DEARER), s.answer(200, b"{}")])
    used = s.chain_view(NonceState.USED, settlement=p.settlement())
    views = [s.chain_view(NonceState.UNUSED), used]
    desk = Payer(s.context(tmp_path, seller, s.ScriptedChain(lambda: views[0])))
    context, order = desk.context, s.order()

    async def first_life() -> None:
        quotes = await desk.quote([order])
        [reserved] = (await desk.approve(p.run(), [order], quotes)).purchases
        now, terms = context.clock.now(), quotes[order.request.endpoint].terms
        authorization = authorize(
            context.policy, reserved.terms or terms, payer=reserved.payer, nonce=reserved.nonce, now=now
        )
        signed = Signed(at=now, authorization=authorization, terms=terms)
        context.ledger.append(reserved, signed)
        context.ledger.append(context.ledger.get(reserved.purchase_id) or reserved, Void(at=now, reason="never sent"))

    async def second_life() -> Purchase:
        seller.script.pop(0)
        views.pop(0)
        quotes = await requote(context, [order])
        approved = await desk.approve(p.run("run-2"), [order], quotes)
        [purchase] = approved.purchases
        return await desk.buy(purchase, approved.views[purchase.purchase_id])

    asyncio.run(first_life())
    after = asyncio.run(second_life())
    assert (after.money, after.data, after.spent) == (Money.SPENT, Data.DELIVERED, p.PRICE)
    assert [payment["accepted"]["amount"] for payment in seller.payments] == [str(DEARER)]  # type: ignore[index]
