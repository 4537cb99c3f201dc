"""A run is stopped in the ordinary way: what was paid and is on its way is waited for, booked, loaded and told (I11).

The seller refuses used authorizations, as the official one does: an answer that nobody heard is lost.
SCALE=50 stops as many runs at random moments.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from payer.values.purchase import Data, Money
from tasks.workspace.workspace import Workspace
from tests.cli.conftest import Command
from tests.cli.process import COMMAND
from tests.cli.stopped_runs import CALLS, INTERRUPT, SELLS, TERMINATE, StoppedRun
from tests.paths import ROOT
from tests.scale import SCALE
from tollbook.cli import interruption
from tollbook.cli.workspace import in_workspace
from warehouse.query import query

if TYPE_CHECKING:
    from sandbox.world import Buyer, World

PARALLEL = 8
MOMENTS = SCALE


@pytest.fixture
def stopped(world: World, buyer: Buyer) -> StoppedRun:
    return StoppedRun(world, buyer)


@pytest.mark.parametrize(("number", "code"), [(INTERRUPT, 130), (TERMINATE, 143)], ids=["SIGINT", "SIGTERM"])
def test_eight_calls_on_their_way_are_waited_for_no_more_are_begun_and_the_next_run_buys_the_rest(
    stopped: StoppedRun, tollbook: Command, world: World, buyer: Buyer, number: int, code: int
) -> None:
    stopped.slow(1.0)
    ended = stopped(stopped.at_the_seller(PARALLEL), number)
    [flow] = ended.document["flows"]
    assert (ended.code, ended.document["interrupted"], flow["interrupted"]) == (code, True, True)
    assert f"waiting for {PARALLEL} on their way" in ended.err
    assert (ended.document["calls_paid"], flow["left"]["calls"]) == (PARALLEL, CALLS - PARALLEL)
    assert (ended.document["open"], ended.document["undelivered"], ended.undelivered) == (0, 0, 0)
    assert len(world.transfers(buyer.address)) == ended.count(Money.SPENT, Data.DELIVERED) == PARALLEL
    assert ended.count(Money.VOID, Data.ABSENT) == CALLS - PARALLEL, "never sent: their caps are free again"
    assert query(buyer.home, "SELECT count(*) FROM signals")[1] == [(PARALLEL * 29,)]
    world.faults.clear()
    again = tollbook(*SELLS, "--json")
    assert (again.code, again.document["interrupted"], again.document["calls_paid"]) == (0, False, CALLS - PARALLEL)
    assert len(world.transfers(buyer.address)) == CALLS


def test_a_person_is_told_what_is_waited_for_and_what_came(stopped: StoppedRun) -> None:
    stopped.slow(1.0)
    ended = stopped(stopped.at_the_seller(PARALLEL), INTERRUPT, json_document=False)
    assert ended.code == 130
    assert "no more calls are begun; waiting for 8 on their way (a second signal stops at once)" in ended.err
    assert "for 8 paid calls" in ended.out
    assert "interrupted what was on its way was waited for and kept; run again to go on" in ended.out


def test_a_second_signal_stops_at_once_and_says_how_many_payments_are_on_their_way(
    stopped: StoppedRun, tollbook: Command
) -> None:
    stopped.slow(8.0)
    ended = stopped(stopped.at_the_seller(PARALLEL), INTERRUPT, TERMINATE)
    error = ended.document["error"]
    assert (ended.code, ended.document["interrupted"], error["kind"]) == (130, True, "StoppedAtOnce")
    assert error["what"] == f"stopped at once: {PARALLEL} payments are on their way"
    assert f"{PARALLEL} payments are on their way; `tollbook recover` asks for them" in ended.err
    assert ended.count(Money.EXPOSED, Data.ABSENT) == PARALLEL
    assert ended.count(Money.VOID, Data.ABSENT) == CALLS - PARALLEL
    assert tollbook("status", "--json").document["in_doubt"] == {"USDC": "0.136"}


def test_the_same_signal_sent_twice_at_once_is_one_signal(stopped: StoppedRun) -> None:
    """A terminal's Ctrl-C and a wrapper that forwards it."""
    stopped.slow(1.0)
    ended = stopped(stopped.at_the_seller(PARALLEL), INTERRUPT, INTERRUPT, pause=0.02)
    assert (ended.code, ended.document["calls_paid"], ended.undelivered) == (130, PARALLEL, 0)


def test_a_stop_while_terms_are_asked_for_buys_nothing_and_has_a_document(
    stopped: StoppedRun, world: World, buyer: Buyer
) -> None:
    """An unpaid request is not waited for."""
    world.faults.add("slow", path="*trading-signals*", leg="unpaid", times=None, seconds=20.0)
    ended = stopped(stopped.at_the_seller(1), TERMINATE)
    [flow] = ended.document["flows"]
    priced = [purchase for purchase in ended.purchases if not purchase.order.free]
    assert (ended.code, flow["interrupted"], flow["calls_paid"], priced) == (143, True, 0, [])
    assert "no payment is on its way" in ended.err
    assert world.transfers(buyer.address) == []


def test_the_flows_behind_a_stopped_one_are_not_begun(stopped: StoppedRun) -> None:
    stopped.arguments = ("run", "grades", "signals")
    stopped.slow(1.0)
    ended = stopped(stopped.at_the_seller(1), INTERRUPT)
    assert (ended.code, ended.document["interrupted"]) == (130, True)
    assert [flow["flow"] for flow in ended.document["flows"]] == ["grades"]
    assert [(failed["flow"], failed["kind"]) for failed in ended.document["failed"]] == [("signals", "Interrupted")]
    assert ended.document["published"] is not None


@pytest.mark.parametrize("seed", range(MOMENTS))
def test_stopped_at_any_moment_nothing_that_was_paid_is_lost(stopped: StoppedRun, world: World, seed: int) -> None:
    chance = random.Random(f"stopping/{seed}")
    stopped.slow(chance.uniform(0.05, 0.4))
    ended = stopped(chance.uniform(0.0, 1.2), chance.choice((INTERRUPT, TERMINATE)))
    spent = ended.count(Money.SPENT, Data.DELIVERED) + ended.count(Money.EXPOSED, Data.DELIVERED)
    assert ended.undelivered == 0
    assert ended.code in (130, 143) or (ended.code, spent) == (0, CALLS)
    assert spent == len(world.transfers(stopped.buyer.address)) == ended.document["calls_paid"]
    assert ended.count(Money.RESERVED, Data.ABSENT) == 0


def test_a_signal_while_a_finished_run_closes_its_files_leaves_it_its_outcome(
    buyer: Buyer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The money has moved by then: its figures are told, and the exit code is the signal's."""
    close = Workspace.aclose

    async def closes(ws: Workspace) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(0)
        await close(ws)

    async def work(_ws: Workspace) -> str:
        return "bought"

    monkeypatch.setattr(Workspace, "aclose", closes)
    interruption.forget()
    try:
        assert in_workspace(work, buyer.env, waits=True) == "bought"
        assert interruption.exit_code(0) == 130
    finally:
        interruption.forget()


@pytest.mark.parametrize("moment", range(SCALE))
def test_a_verb_that_pays_nothing_ends_on_sigterm_with_its_document(buyer: Buyer, world: World, moment: int) -> None:
    world.faults.add("slow", leg="unpaid", times=None, seconds=30.0)
    child = subprocess.Popen(
        [*COMMAND, "probe", "--json"], cwd=ROOT, env={**os.environ, **buyer.env}, stdout=subprocess.PIPE, text=True
    )
    try:
        world.wait_until("a request is on its way", lambda: any(fault.fired for fault in world.faults.all()))
        time.sleep(random.Random(f"probe/{moment}").uniform(0.0, 0.05) if moment else 0.0)
        child.terminate()
        said = json.loads(child.communicate(timeout=60)[0])
    finally:
        child.kill()
        child.communicate()
    assert (child.returncode, said["interrupted"], said["error"]["kind"]) == (143, True, "EndedAtOnce")


class _SignalledWhileItGoes:
    """An exception in a finalizer is swallowed."""

    def __del__(self) -> None:
        signal.raise_signal(TERMINATE)


def test_sigterm_ends_a_loop_at_whatever_step_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interruption, "_received", [])
    before = {number: signal.signal(number, signal.default_int_handler) for number in (INTERRUPT, TERMINATE)}
    steps: list[str] = []

    async def waits() -> None:
        asyncio.get_running_loop().call_soon(lambda: steps.append(type(_SignalledWhileItGoes()).__name__))
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            steps.append("closed in order")

    try:
        interruption.end_on_sigterm()
        with pytest.raises(KeyboardInterrupt):
            asyncio.run(waits())
    finally:
        for number, action in before.items():
            signal.signal(number, action)
    assert steps == ["_SignalledWhileItGoes", "closed in order"]
    assert interruption.exit_code(0) == 143
