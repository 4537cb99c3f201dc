"""Coroutines reach the ledger through its own thread: one call after the other, and none of them on the loop's."""

from __future__ import annotations

import asyncio
import gc
import threading
import warnings
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path

import pytest

from payer.ledger import Ledger
from payer.ledger.database.thread import LedgerThread
from payer.values.money import Asset
from tests.payer import purchases as p

WORD: ContextVar[str] = ContextVar("word")


@pytest.fixture
def thread() -> Iterator[LedgerThread]:
    made = LedgerThread()
    yield made
    made.close()


class Gate:
    """Work that begins, and ends when a test says so."""

    def __init__(self) -> None:
        self.begun, self.opened, self.done = threading.Event(), threading.Event(), False

    def __call__(self) -> str:
        self.begun.set()
        assert self.opened.wait(20)
        self.done = True
        return "done"


async def begun(gate: Gate) -> None:
    await asyncio.to_thread(gate.begun.wait, 20)


def test_work_is_done_in_one_thread_that_is_not_the_loops(thread: LedgerThread) -> None:
    async def both() -> list[int]:
        return await asyncio.gather(thread.run(threading.get_ident), thread.run(threading.get_ident))

    first, second = asyncio.run(both())
    assert first == second != threading.get_ident()


def test_work_is_done_in_the_order_in_which_it_was_given(thread: LedgerThread) -> None:
    done: list[int] = []

    async def many() -> None:
        await asyncio.gather(*(thread.run(lambda number=number: done.append(number)) for number in range(50)))

    asyncio.run(many())
    assert done == list(range(50))


def test_the_loop_goes_on_while_work_waits(thread: LedgerThread) -> None:
    async def both() -> tuple[bool, str]:
        gate = Gate()
        waiting = asyncio.create_task(thread.run(gate))
        await begun(gate)
        others_went_on = not gate.done
        gate.opened.set()
        return others_went_on, await waiting

    assert asyncio.run(both()) == (True, "done")


def test_an_error_is_raised_where_the_work_is_waited_for(thread: LedgerThread) -> None:
    async def fails() -> None:
        await thread.run(lambda: int("no number"))

    with pytest.raises(ValueError, match="no number"):
        asyncio.run(fails())


def test_work_sees_the_context_of_who_gave_it(thread: LedgerThread) -> None:
    async def told() -> str:
        WORD.set("told")
        return await thread.run(WORD.get)

    assert asyncio.run(told()) == "told"


def test_cancelled_work_that_has_begun_is_waited_for(thread: LedgerThread) -> None:
    """A commit is never left half-known."""

    async def cancelled() -> tuple[bool, bool]:
        gate = Gate()
        waiting = asyncio.create_task(thread.run(gate))
        await begun(gate)
        waiting.cancel()
        await asyncio.sleep(0)
        waiting.cancel()
        asyncio.get_running_loop().call_later(0.05, gate.opened.set)
        with pytest.raises(asyncio.CancelledError):
            await waiting
        return gate.done, waiting.cancelled()

    assert asyncio.run(cancelled()) == (True, True)


def test_cancelled_work_that_has_not_begun_is_given_up(thread: LedgerThread) -> None:
    async def cancelled() -> bool:
        ahead, behind = Gate(), Gate()
        first = asyncio.create_task(thread.run(ahead))
        await begun(ahead)
        waiting = asyncio.create_task(thread.run(behind))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        ahead.opened.set()
        await first
        await thread.run(lambda: None)
        return behind.begun.is_set()

    assert asyncio.run(cancelled()) is False


def test_a_timeout_around_work_ends_after_the_work(thread: LedgerThread) -> None:
    gate = Gate()

    async def pass_limit(limit: asyncio.Timeout) -> None:
        await begun(gate)
        limit.reschedule(asyncio.get_running_loop().time())
        await asyncio.sleep(0.02)
        gate.opened.set()

    async def timed() -> None:
        async with asyncio.timeout(None) as limit:
            passing = asyncio.create_task(pass_limit(limit))
            await thread.run(gate)
        await passing

    with pytest.raises(TimeoutError):
        asyncio.run(timed())
    assert gate.done


def test_what_was_begun_can_be_asked_whether_it_ended(thread: LedgerThread) -> None:
    async def asked() -> tuple[bool, bool, str]:
        gate = Gate()
        work = thread.begin(gate)
        early = await work.ends_within(0.01)
        gate.opened.set()
        return early, await work.ends_within(20), await work.outcome()

    assert asyncio.run(asked()) == (False, True, "done")


@pytest.mark.parametrize(("work", "done"), [(lambda: 1, True), (lambda: int("x"), False)], ids=["done", "failed"])
def test_work_given_up_too_late_says_whether_it_was_done(
    thread: LedgerThread, work: Callable[[], int], done: bool
) -> None:
    async def given_up() -> bool:
        begun = thread.begin(work)
        await begun.ends_within(20)
        return await begun.give_up()

    assert asyncio.run(given_up()) is done


def test_closing_waits_for_what_was_given_and_the_next_work_begins_again(thread: LedgerThread) -> None:
    done: list[str] = []

    async def once(word: str) -> None:
        await thread.run(lambda: done.append(word))

    asyncio.run(once("before"))
    thread.close()
    assert not [each for each in threading.enumerate() if each.name == "tollbook-ledger"]
    asyncio.run(once("after"))
    assert done == ["before", "after"]


def test_inline_work_is_done_where_it_is_given_without_a_turn_of_the_loop() -> None:
    """Simulated time depends on it: the same seed has the same turns."""
    thread = LedgerThread(inline=True)
    for given in (thread.run(threading.get_ident), thread.beside(threading.get_ident)):
        with pytest.raises(StopIteration) as ended:
            given.send(None)
        assert ended.value.value == threading.get_ident()
    begun = thread.begin(threading.get_ident)
    with pytest.raises(StopIteration):
        begun.ends_within(0).send(None)


def test_a_ledger_in_memory_is_one_for_all_threads() -> None:
    async def pinned(ledger: Ledger, asset: Asset) -> str | None:
        await ledger.in_thread(ledger.pin_payee, "s", asset, p.PAYEE, p.NOW)
        return ledger.payee("s", asset)

    with Ledger.open("sqlite://") as ledger:
        assert asyncio.run(pinned(ledger, p.USDC)) == p.PAYEE


@pytest.mark.parametrize("closed", ["close", "aclose"])
def test_connections_of_the_ledgers_thread_are_closed_with_it(tmp_path: Path, closed: str) -> None:
    async def used() -> None:
        ledger = Ledger.open(f"sqlite:///{tmp_path}/ledger.db")
        await ledger.in_thread(ledger.pin_payee, "s", p.USDC, p.PAYEE, p.NOW)
        if closed == "aclose":
            await ledger.aclose()
        else:
            ledger.close()

    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        asyncio.run(used())
        gc.collect()
    assert [path.name for path in tmp_path.iterdir()] == ["ledger.db"], "the last connection takes the log with it"
