"""Waiting for our own ledger is no network time: what arrives meanwhile is read, kept in the spool, and booked (I4)."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import pytest

from payer.buy import record
from payer.http.exchange import Answer
from payer.payer import Payer
from payer.spool import Spool
from payer.values.chain_view import NonceState
from payer.values.errors import LedgerUnavailable
from payer.values.events import Event, Sent, Unsent
from payer.values.purchase import Data, Money, Purchase
from payer.values.request import Request
from tests.payer import purchases as p
from tests.payer import scripted as s

T = TypeVar("T")
BODY = b'{"success":true,"data":[1]}'
RECEIPT = s.encoded({"success": True, "transaction": "0x" + "cc" * 32, "network": "eip155:31337"})
ANSWER = s.answer(200, BODY, payment_response=RECEIPT, content_type="application/json")
PAID = s.chain_view(NonceState.USED, final_time=int(p.NOW.timestamp()), settlement=p.settlement())


class Lock:
    """The ledger's write lock, as another process holds it."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._connection: sqlite3.Connection | None = None

    def take(self) -> None:
        if self._connection is None:
            self._connection = sqlite3.connect(self._file, check_same_thread=False)
            self._connection.execute("BEGIN IMMEDIATE")

    @property
    def is_held(self) -> bool:
        return self._connection is not None

    def free(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


class Desk:
    """A purchase whose answer finds the ledger locked, and the loop's time while it is."""

    def __init__(self, folder: Path) -> None:
        self.lock, self.folder = Lock(folder / "ledger.db"), folder / "spool"
        self.locked, self.call_ahead = asyncio.Event(), False
        self.seller = s.ScriptedSeller([s.challenge(), ANSWER])
        self._send, self.seller.send = self.seller.send, self._locked  # type: ignore[method-assign]
        context = s.context(folder, self.seller, s.ScriptedChain(lambda: s.chain_view(NonceState.UNUSED)))
        self.payer = Payer(replace(context, spool=Spool(self.folder)))

    async def _locked(self, request: Request, headers: Mapping[str, str], *, timeout: float) -> Answer:
        if self.seller.headers:
            self.lock.take()
            ledger = self.payer.context.ledger
            if self.call_ahead:
                ledger.begin(ledger.pin_payee, "another", p.USDC, p.PAYEE, p.NOW)
            asyncio.get_running_loop().call_later(0.02, self.locked.set)
        return await self._send(request, headers, timeout=timeout)

    def buy(self, meanwhile: Callable[[asyncio.Task[Purchase]], Awaitable[T]]) -> T:
        """Buy one, and do something else on the same loop."""

        async def both() -> T:
            quotes = await self.payer.quote([s.order()])
            approved = await self.payer.approve(p.run(), [s.order()], quotes)
            return await meanwhile(asyncio.create_task(self.payer.buy(approved.purchases[0])))

        return asyncio.run(both())

    async def spooled(self) -> list[str]:
        """Wait for the body's file."""
        until = time.monotonic() + 10
        while not (found := self.files) and time.monotonic() < until:
            await asyncio.sleep(0.002)
        return found

    @property
    def files(self) -> list[str]:
        return [path.suffix for path in self.folder.glob("*.body")]

    @property
    def purchase(self) -> Purchase:
        [found] = self.payer.context.ledger.purchases()
        return found

    @property
    def bodies(self) -> list[bytes]:
        return [delivery.body for delivery in self.payer.context.ledger.deliveries()]

    def recover(self) -> None:
        self.payer = Payer(replace(self.payer.context, chain=s.ScriptedChain(lambda: PAID)))
        asyncio.run(self.payer.recover())


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr(record, "_SPOOL_AFTER_SECONDS", 0.05)
    made = Desk(tmp_path)
    yield made
    made.lock.free()


def test_a_body_lies_in_the_spool_while_the_ledger_waits_and_is_booked_after_it(desk: Desk) -> None:
    async def freed(buying: asyncio.Task[Purchase]) -> tuple[list[str], Purchase]:
        files = await desk.spooled()
        desk.lock.free()
        return files, await buying

    files, bought = desk.buy(freed)
    assert (files, bought.data) == ([".body"], Data.DELIVERED)
    assert (desk.bodies, desk.files, len(desk.seller.payments)) == ([BODY], [], 1)


def test_a_cancelled_wait_spools_the_body_first_and_then_waits_for_what_has_begun(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second signal, before the spool's own time has come: whatever kills the process then, the body is kept."""
    monkeypatch.setattr(record, "_SPOOL_AFTER_SECONDS", 60.0)

    async def cancelled(buying: asyncio.Task[Purchase]) -> tuple[list[str], bool]:
        await desk.locked.wait()
        buying.cancel()
        files, waits = await desk.spooled(), not buying.done()
        desk.lock.free()
        await asyncio.wait([buying])
        assert buying.cancelled()
        return files, waits

    assert desk.buy(cancelled) == ([".body"], True)
    assert (desk.bodies, desk.files) == ([BODY], []), "it was booked, and its file removed"
    desk.recover()
    assert (desk.purchase.money, len(desk.seller.payments)) == (Money.SPENT, 1)


def test_an_answer_whose_booking_has_not_begun_is_given_up_and_booked_from_the_spool(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind another call that waits for the lock: a second signal stops at once, and the body is not lost."""
    monkeypatch.setattr(record, "_SPOOL_AFTER_SECONDS", 60.0)
    desk.call_ahead = True

    async def cancelled(buying: asyncio.Task[Purchase]) -> list[str]:
        await desk.locked.wait()
        buying.cancel()
        await asyncio.wait([buying])
        assert buying.cancelled()
        assert desk.lock.is_held
        desk.lock.free()
        return desk.files

    assert desk.buy(cancelled) == [".body"]
    assert (desk.purchase.money, desk.purchase.data) == (Money.EXPOSED, Data.ABSENT)
    desk.recover()
    assert (desk.purchase.money, desk.purchase.data) == (Money.SPENT, Data.DELIVERED)
    assert (desk.bodies, desk.files, len(desk.seller.payments)) == ([BODY], [], 1)


def test_a_ledger_that_stays_locked_is_not_waited_for_without_end(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The attempts end by time where each of them waits; the body stays in the spool."""
    monkeypatch.setattr(record, "_PATIENCE_SECONDS", 0.0)
    calls = 0
    append = type(desk.payer.context.ledger).append

    def locked(ledger: object, purchase: Purchase, *events: Event, **more: object) -> Purchase:
        nonlocal calls
        if not desk.lock.is_held:
            return append(ledger, purchase, *events, **more)  # type: ignore[arg-type]
        calls += 1
        raise LedgerUnavailable("the ledger can't be written: database is locked")

    monkeypatch.setattr(type(desk.payer.context.ledger), "append", locked)

    async def given_up(buying: asyncio.Task[Purchase]) -> str:
        await asyncio.wait([buying])
        return str(buying.exception())

    assert "database is locked; the body that came is kept in" in desk.buy(given_up)
    assert (calls, desk.files) == (1, [".body"])


def test_a_payment_that_expires_while_it_is_booked_is_not_sent_but_signed_again(tmp_path: Path) -> None:
    """Its header never left: the money is reserved again, and the next signature is over the same nonce (I1)."""
    clock = s.FakeClock()
    seller = s.ScriptedSeller([s.challenge(), ANSWER])
    context = s.context(tmp_path, seller, s.ScriptedChain(lambda: s.chain_view(NonceState.UNUSED)), clock)
    append, waits = context.ledger.append, [200.0]

    def slow(purchase: Purchase, *events: Event, **more: object) -> Purchase:
        booked = append(purchase, *events, **more)  # type: ignore[arg-type]
        if any(isinstance(event, Sent) for event in events) and waits:
            clock.at += timedelta(seconds=waits.pop())
        return booked

    context.ledger.append = slow  # type: ignore[method-assign]
    payer = Payer(context)

    async def one() -> Purchase:
        approved = await payer.approve(p.run(), [s.order()], await payer.quote([s.order()]))
        return await payer.buy(approved.purchases[0])

    bought = asyncio.run(one())
    events = context.ledger.events(bought.purchase_id)
    assert [type(event) for event in events if isinstance(event, Sent | Unsent)] == [Sent, Unsent, Sent]
    assert (bought.data, bought.sends, len(seller.payments)) == (Data.DELIVERED, 1, 1)


def test_the_lock_of_another_process_keeps_no_loop_from_turning(desk: Desk) -> None:
    """The loop's longest pause while the ledger waits is far below the wait."""

    async def turning(buying: asyncio.Task[Purchase]) -> float:
        longest, last = 0.0, time.monotonic()
        while not buying.done():
            await asyncio.sleep(0.005)
            now = time.monotonic()
            longest, last = max(longest, now - last), now
            if desk.files and now - started > 0.6:
                desk.lock.free()
        await buying
        return longest

    started = time.monotonic()
    assert desk.buy(turning) < 0.4


def test_the_lock_is_a_real_one(tmp_path: Path) -> None:
    """Without it these tests would show nothing."""
    lock = Lock(tmp_path / "a.db")
    lock.take()
    with closing(sqlite3.connect(tmp_path / "a.db", timeout=0)) as other, pytest.raises(sqlite3.OperationalError):
        other.execute("BEGIN IMMEDIATE")
    lock.free()
