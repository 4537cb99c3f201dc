"""Money for nothing: a body that can't be used counts as a loss as soon as it is durable, and across processes."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from payer.ledger import Ledger
from payer.payer import Payer
from payer.policy.file import parse_policy
from payer.values.errors import LedgerUnavailable, OverBudget, PaidUndelivered, Unbooked
from payer.values.events import Delivered, DeliveryFailed
from payer.values.purchase import Data, Delivery, Money, Purchase
from tests.payer import purchases as p
from tests.payer import scripted as s
from tests.payer.buy.test_buy import CHAINS, reserved

BAD = b'{"success":false,"message":"try later"}'
LIMIT = 3 * p.PRICE


def check(delivery: Delivery) -> str:
    return "failed: try later" if delivery.body == BAD else ""


def desk(seller: s.ScriptedSeller, chain: str = "used", loss_limit: str = "0.06") -> Payer:
    context = s.context(None, seller, s.ScriptedChain(CHAINS[chain].view))
    policy = parse_policy(s.POLICY.replace('per_run = "1.00"', 'per_run = "2.00"') + f'loss_limit = "{loss_limit}"\n')
    return Payer(replace(context, policy=policy, check_body=check))


def unjudging(at: Payer) -> Payer:
    """The same desk, without a judge: as the process that dies before its verdict is booked."""
    return Payer(replace(at.context, check_body=None))


def events_of(at: Payer, purchase: Purchase) -> list[str]:
    return [type(event).__name__ for event in at.context.ledger.events(purchase.purchase_id)]


async def one_by_one(at: Payer, count: int) -> list[Purchase | OverBudget | PaidUndelivered]:
    """Approve that many, before the chain shows any of them; then buy one after another."""
    chain = at.context.chain
    assert isinstance(chain, s.ScriptedChain)
    later, chain.view = chain.view, CHAINS["unused"].view
    orders = [s.order(number) for number in range(count)]
    approved = await at.approve(p.run(), orders, await at.quote(orders))
    chain.view = later
    ended: list[Purchase | OverBudget | PaidUndelivered] = []
    for purchase in approved.purchases:
        try:
            ended.append(await at.buy(purchase))
        except (OverBudget, PaidUndelivered) as error:
            ended.append(error)
    return ended


def test_a_body_that_fails_its_test_is_durable_first_and_then_booked_as_a_failed_delivery() -> None:
    """I4, I12."""
    at = desk(s.ScriptedSeller([s.answer(200, BAD)]))
    state = asyncio.run(at.buy(reserved(at)))
    assert events_of(at, state)[-2:] == [Delivered.__name__, DeliveryFailed.__name__]
    assert (state.data, state.failure, state.loss) == (Data.DELIVERED, "failed: try later", p.PRICE)
    delivery = at.context.ledger.delivery(state.purchase_id)
    assert delivery is not None
    assert delivery.body == BAD
    assert at.context.ledger.failed_deliveries() == [state]


def test_a_body_that_can_be_used_costs_no_event() -> None:
    at = desk(s.ScriptedSeller([s.answer(200, b'{"success":true,"data":[]}')]))
    state = asyncio.run(at.buy(reserved(at)))
    assert events_of(at, state)[-1] == Delivered.__name__
    assert state.loss == 0


NOTHING: dict[str, s.Outcome] = {
    "400": s.answer(400),
    "403": s.answer(403),
    "404": s.answer(404),
    "410": s.answer(410),
    "failed-body": s.answer(200, BAD),
}


@pytest.mark.parametrize("answer", NOTHING.values(), ids=NOTHING)
@pytest.mark.parametrize(
    ("loss_limit", "paid"), [("0", 1), ("0.000001", 1), ("0.02", 1), ("0.06", 3)], ids=["0", "least", "one", "three"]
)
def test_what_takes_money_for_nothing_is_paid_no_more_than_the_limit(
    answer: s.Outcome, loss_limit: str, paid: int
) -> None:
    """I12: whatever the nothing looks like. 0 stops at the first loss."""
    at = desk(s.ScriptedSeller([s.challenge(), answer]), loss_limit=loss_limit)
    ended = asyncio.run(one_by_one(at, 6))
    assert [isinstance(one, OverBudget) for one in ended] == [False] * paid + [True] * (6 - paid)
    held = at.context.ledger.purchases()
    assert sum(one.committed for one in held) == sum(one.loss or one.committed for one in held) == paid * p.PRICE
    again = desk_of_the_same_ledger(at)
    with pytest.raises(OverBudget, match=r"sellers\.s\.loss_limit"):
        asyncio.run(bill_of_another_run(again))


def desk_of_the_same_ledger(at: Payer) -> Payer:
    return Payer(replace(at.context, owner="another"))


async def bill_of_another_run(at: Payer) -> None:
    wanted = [s.order(99)]
    at.context.chain.view = CHAINS["unused"].view  # type: ignore[attr-defined]
    await at.approve(p.run("another"), wanted, await at.quote(wanted))


def test_an_accepted_loss_lets_the_seller_be_paid_again() -> None:
    at = desk(s.ScriptedSeller([s.challenge(), s.answer(200, BAD)]), loss_limit="0")
    [failed, *_] = asyncio.run(one_by_one(at, 1))
    assert isinstance(failed, Purchase)
    [proved] = asyncio.run(at.verify([failed]))
    assert proved.money is Money.SPENT
    accepted = at.accept_loss(proved, "me")
    assert (accepted.loss, at.context.ledger.failed_deliveries()) == (p.PRICE, [])
    asyncio.run(bill_of_another_run(at))


def test_a_recovery_judges_what_the_process_before_it_left_unjudged() -> None:
    """The body is durable and its verdict is not: a crash between the two commits."""
    at = desk(s.ScriptedSeller([s.answer(200, BAD)]))
    state = asyncio.run(unjudging(at).buy(reserved(at)))
    assert state.failure == ""
    asyncio.run(at.recover())
    [judged] = at.context.ledger.failed_deliveries()
    assert (judged.purchase_id, judged.money) == (state.purchase_id, Money.SPENT)
    asyncio.run(at.recover())
    assert events_of(at, judged).count(DeliveryFailed.__name__) == 1


def test_a_free_order_is_judged_too_and_loses_nothing() -> None:
    at = desk(s.ScriptedSeller([s.answer(200, BAD)]))

    async def fetch() -> Purchase:
        approved = await at.approve(p.run(), [s.order(5, free=True)], {})
        return await at.buy(approved.purchases[0])

    state = asyncio.run(fetch())
    assert (state.money, state.failure, state.loss) == (Money.VOID, "failed: try later", 0)


def test_a_verdict_that_cannot_be_booked_stops_the_run_and_says_where_the_body_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at = desk(s.ScriptedSeller([s.answer(200, BAD)]))
    purchase = reserved(at)

    def broken(*_: object) -> Delivery | None:
        raise LedgerUnavailable("the ledger can't be read: disk I/O error")

    monkeypatch.setattr(Ledger, "delivery", broken)
    with pytest.raises(Unbooked, match="is kept in it, and is not judged yet"):
        asyncio.run(at.buy(purchase))
