"""The httpx transport when an answer is lost, useless or late, and what is proved when a client closes."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import httpx

import payer
from payer.http.exchange import Answer, NoAnswer
from payer.paid_transport.purchase import PROVED_TOGETHER
from payer.values.chain_view import ChainView, NonceState
from payer.values.purchase import Data, Delivery, Money
from tests.payer import purchases as p
from tests.payer import scripted as s
from tests.payer.paid_transport.shop import BODY, SOLD, UNUSED, URL, Shop, desk, failure, get, shop, transport, using


def test_a_payment_in_doubt_says_so_and_is_presented_again_not_paid_again(tmp_path: Path) -> None:
    """The answer is lost; a later get presents the same authorization and gets the body."""
    seller = shop(NoAnswer("reset"))
    context = desk(tmp_path, seller)
    error = failure(transport(context))
    assert isinstance(error, payer.Unresolved)
    assert error.money.startswith("sent")
    seller.script = [SOLD]
    again = get(transport(context))
    assert again.extensions["tollbook"]["bought"]
    assert len({json.dumps(payment["payload"]) for payment in seller.payments}) == 1


def test_a_crash_after_the_payment_is_carried_on_by_the_next_process(tmp_path: Path) -> None:
    crashed = shop(NoAnswer("the process died here"))
    failure(transport(desk(tmp_path, crashed)))
    seller = shop()
    context = desk(tmp_path, seller)
    response = get(transport(context))
    assert response.content == BODY
    nonces = {payment["payload"]["authorization"]["nonce"] for payment in [*crashed.payments, *seller.payments]}  # type: ignore[index]
    assert len(nonces) == len(context.ledger.purchases()) == 1


class SlowShop(Shop):
    """Answers a payment once it is told to."""

    def __init__(self) -> None:
        super().__init__([SOLD])
        self.asked, self.told = asyncio.Event(), asyncio.Event()

    async def send(self, request: payer.Request, headers: object, *, timeout: float) -> Answer:
        answer = await super().send(request, headers, timeout=timeout)
        if answer is SOLD:
            self.asked.set()
            await self.told.wait()
        return answer


def test_a_caller_that_gives_up_leaves_the_payment_running(tmp_path: Path) -> None:
    """The body is booked; the next get has it, and nothing is presented a second time."""
    seller = SlowShop()
    context = desk(tmp_path, seller)

    async def impatient(client: httpx.AsyncClient) -> httpx.Response:
        waiting = asyncio.create_task(client.get(URL))
        await seller.asked.wait()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        seller.told.set()
        return await client.get(URL)

    response = using(transport(context), impatient)
    assert response.content == BODY
    assert len(seller.payments) == 1


def test_a_loss_is_told_and_never_bought_again_by_itself(tmp_path: Path) -> None:
    settled = s.chain_view(NonceState.USED, settlement=p.settlement())
    views = [UNUSED]
    seller = shop(s.answer(404, b"gone"))
    context = desk(tmp_path, seller, lambda: views[0])
    failure(transport(context))
    views[0] = settled
    assert isinstance(failure(transport(context)), payer.PaidUndelivered)
    assert len({payment["payload"]["authorization"]["nonce"] for payment in seller.payments}) == 1  # type: ignore[index]


def test_a_body_that_cannot_be_used_is_a_loss_with_the_callers_own_check(tmp_path: Path) -> None:
    def check(delivery: Delivery) -> str:
        return "no data" if b"data" not in delivery.body else ""

    seller = shop(s.answer(200, b"<html>"))
    context = replace(desk(tmp_path, seller), check_body=check)
    for _ in range(2):
        error = failure(transport(context))
        assert isinstance(error, payer.PaidUndelivered)
        assert "can't be used: no data" in error.what
    assert len(seller.payments) == 1


def test_a_body_that_waits_in_the_spool_is_booked_first(tmp_path: Path) -> None:
    from payer.spool import Spool

    seller = shop(NoAnswer("reset"))
    context = replace(desk(tmp_path, seller), spool=Spool(tmp_path / "spool"))
    failure(transport(context))
    [exposed] = context.ledger.purchases()
    assert context.spool is not None
    context.spool.put(exposed.purchase_id, SOLD, context.clock.now())
    sent = len(seller.payments)
    assert get(transport(context)).content == BODY
    assert len(seller.payments) == sent


def test_what_the_chain_proves_is_booked_when_the_client_closes(tmp_path: Path) -> None:
    views = [UNUSED]
    context = desk(tmp_path, shop(), lambda: views[0])

    async def settle(client: httpx.AsyncClient) -> None:
        await client.get(URL)
        views[0] = s.chain_view(NonceState.USED, settlement=p.settlement())

    using(transport(context), settle)
    [purchase] = context.ledger.purchases()
    assert (purchase.money, purchase.data) == (Money.SPENT, Data.DELIVERED)
    kept = get(transport(context)).extensions["tollbook"]
    assert purchase.settlement is not None
    assert kept["transaction"] == purchase.settlement.tx_hash


def test_a_long_lived_client_has_the_chain_looked_at_once_for_many(tmp_path: Path) -> None:
    context = desk(tmp_path, shop())
    chain = context.chain
    assert isinstance(chain, s.ScriptedChain)
    wide = replace(context.policy.caps["USDC"], per_run=10**9, per_flow_day=10**9, per_day=10**9, per_month=10**9)
    context = replace(context, policy=replace(context.policy, caps={"USDC": wide}))

    async def many(client: httpx.AsyncClient) -> int:
        for number in range(PROVED_TOGETHER):
            await client.get(URL, params={"id": number})
        return chain.looks

    before_closing = using(transport(context), many)
    assert chain.looks - before_closing <= 2
    assert before_closing >= PROVED_TOGETHER


def test_an_unreadable_chain_at_closing_loses_nothing(tmp_path: Path) -> None:
    views: list[ChainView | None] = [UNUSED]
    context = desk(tmp_path, shop(), lambda: views[0])

    async def lose(client: httpx.AsyncClient) -> None:
        await client.get(URL)
        views[0] = None

    using(transport(context), lose)
    [purchase] = context.ledger.purchases()
    assert (purchase.money, purchase.data) == (Money.EXPOSED, Data.DELIVERED)
