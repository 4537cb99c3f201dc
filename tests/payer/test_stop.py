"""The stop request: nothing more is begun, what waits without money is let go, what was sent is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

import pytest

from payer.http.exchange import Answer, NoAnswer
from payer.payer import Payer
from payer.stop import StopRequest, all_ended
from payer.values.errors import Interrupted, Unresolved
from payer.values.purchase import Data, Money, Purchase
from payer.values.request import Request
from tests.payer import purchases as p
from tests.payer import scripted as s
from tests.payer.buy.test_buy import CHAINS


def test_a_stop_ends_a_wait_and_later_ones_do_not_begin() -> None:
    async def waits() -> list[str]:
        stop, ended = StopRequest(), []
        asyncio.get_running_loop().call_later(0.01, stop.request)
        for _ in range(2):
            try:
                async with stop.interruptible():
                    await asyncio.sleep(60)
            except Interrupted:
                ended.append("interrupted")
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        await asyncio.sleep(0)
        return ended

    assert asyncio.run(waits()) == ["interrupted", "interrupted"]


def test_a_wait_that_ends_as_the_stop_comes_leaves_no_cancellation_behind() -> None:
    async def waits() -> str:
        stop = StopRequest()
        async with stop.interruptible():
            stop.request()
        await asyncio.sleep(0.01)
        return "undisturbed"

    assert asyncio.run(waits()) == "undisturbed"


def test_another_cancellation_stays_one() -> None:
    async def waits() -> None:
        stop = StopRequest()
        async with stop.interruptible():
            await asyncio.sleep(60)

    async def cancelled() -> None:
        task = asyncio.ensure_future(waits())
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())


class Stopping(s.ScriptedSeller):
    """Asks for the stop while it answers so many payments, and remembers how many were on their way."""

    def __init__(self, outcomes: list[s.Outcome], stop: StopRequest) -> None:
        super().__init__(outcomes)
        self.stop = stop
        self.seen = 0

    async def send(self, request: Request, headers: Mapping[str, str], *, timeout: float) -> Answer:
        if any(name.lower() == "payment-signature" for name in headers):
            self.seen = self.stop.on_their_way
            self.stop.request()
        return await super().send(request, headers, timeout=timeout)


def bought(outcome: s.Outcome, *, first: bool = False) -> tuple[Purchase, Exception | None, Stopping, Payer]:
    """Buy one piece; the stop is requested before it is begun (`first`), or while its payment is on its way."""
    stop = StopRequest()
    seller = Stopping([s.challenge(), outcome], stop)
    context = replace(s.context(None, seller, s.ScriptedChain(CHAINS["unused"].view)), stop=stop)
    payer = Payer(context)

    async def run() -> tuple[Purchase, Exception | None]:
        approved = await payer.approve(p.run(), [s.order()], await payer.quote([s.order()]))
        [purchase] = approved.purchases
        if first:
            stop.request()
        try:
            return await payer.buy(purchase), None
        except (Interrupted, Unresolved) as error:
            return context.ledger.get(purchase.purchase_id) or purchase, error

    purchase, error = asyncio.run(run())
    return purchase, error, seller, payer


def test_nothing_is_signed_once_the_stop_is_requested_and_its_caps_are_free_again() -> None:
    purchase, error, seller, payer = bought(s.answer(200), first=True)
    assert isinstance(error, Interrupted)
    assert (purchase.money, purchase.sends, seller.payments) == (Money.RESERVED, 0, [])
    [freed] = payer.release([purchase])
    assert (freed.money, payer.context.ledger.committed(purchase.asset)[("day", f"{p.NOW:%Y-%m-%d}")]) == (
        Money.VOID,
        0,
    )


def test_a_payment_on_its_way_is_waited_for_and_its_body_kept() -> None:
    purchase, error, seller, _ = bought(s.answer(200))
    assert error is None
    assert (purchase.data, seller.seen, seller.stop.on_their_way) == (Data.DELIVERED, 1, 0)


def test_a_payment_without_an_answer_is_not_presented_again_by_a_stopped_run() -> None:
    purchase, error, seller, _ = bought(NoAnswer("reset"))
    assert isinstance(error, Unresolved)
    assert "stopped" in str(error)
    assert (purchase.money, purchase.data, len(seller.payments)) == (Money.EXPOSED, Data.ABSENT, 1)


def test_results_of_all_ended_are_in_order() -> None:
    async def after(seconds: float) -> float:
        await asyncio.sleep(seconds)
        return seconds

    assert asyncio.run(all_ended(after(seconds) for seconds in (0.02, 0.0, 0.01))) == [0.02, 0.0, 0.01]


def test_one_that_fails_is_raised_once_all_have_ended() -> None:
    """I11: the loop ends with the exception, and would cancel a request that has paid."""
    ended: list[str] = []

    async def fails(why: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        raise ValueError(why)

    async def answers() -> None:
        await asyncio.sleep(0.02)
        ended.append("answered")

    with pytest.raises(ValueError, match="first"):
        asyncio.run(all_ended([fails("first", 0.01), answers(), fails("second", 0.0)]))
    assert ended == ["answered"]


def test_a_cancelled_caller_cancels_them() -> None:
    cancelled: list[str] = []

    async def waits() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.append("cancelled")
            raise

    async def caller() -> None:
        task = asyncio.ensure_future(all_ended([waits(), waits()]))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(caller())
    assert cancelled == ["cancelled"] * 2
