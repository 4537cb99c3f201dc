"""A seller's gate: a payment is signed inside it, and its rate holds for every process of a machine."""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from payer.buy.lease import new_lease
from payer.context import PayerContext
from payer.http.exchange import Answer, Exchange, Unanswered
from payer.http.gate import Gate, RequestPace, retry_after
from payer.http.transport import HttpTransport
from payer.ledger import Ledger
from payer.payer import Payer
from payer.policy.file import parse_policy
from payer.values.chain_view import NonceState
from payer.values.errors import LedgerUnavailable, PayerError, Unresolved
from payer.values.purchase import Data, Purchase
from payer.values.request import Order, Request
from payer.wallet.eip3009 import Wallet
from tests.payer import purchases as p
from tests.payer import scripted as s
from tests.payer.loopback import OwnClock, Wire, http, serving


class Till:
    """A seller that asks, then serves whoever pays, after these refusals."""

    def __init__(self, *refusals: bytes) -> None:
        self._refusals = list(refusals)

    async def serve(self, wire: Wire) -> None:
        while True:
            if b"payment-signature" not in (await wire.request()).lower():
                await wire.send(http(402, b"{}", self._terms(wire.server.url)))
            else:
                await wire.send(self._refusals.pop(0) if self._refusals else http(200, b"{}"))

    def _terms(self, url: str) -> dict[str, str]:
        document = json.loads(base64.b64decode(s.challenge().headers["payment-required"]))
        return {"payment-required": s.encoded({**document, "resource": {"url": f"{url}/v2/tm-grade"}})}


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch, clock: OwnClock) -> list[float]:
    """Of each payment, how long it was still valid when its request began. No time passes between gate and request."""
    seen: list[float] = []
    run, enter, leave = Exchange.run, Gate.__aenter__, Gate.__aexit__

    async def entered(gate: Gate) -> None:
        await enter(gate)
        clock.busy.add(asyncio.current_task())

    async def left(gate: Gate, *error: object) -> None:
        clock.busy.discard(asyncio.current_task())
        await leave(gate, *error)

    async def watched(exchange: Exchange, timeout: float) -> Answer | Unanswered:
        clock.busy.discard(asyncio.current_task())
        if header := exchange.headers.get("PAYMENT-SIGNATURE"):
            payment = json.loads(base64.b64decode(str.__str__(header)))
            until = int(payment["payload"]["authorization"]["validBefore"])
            seen.append(until - clock.now().timestamp())
        return await run(exchange, timeout)

    monkeypatch.setattr(Exchange, "run", watched)
    monkeypatch.setattr(Gate, "__aenter__", entered)
    monkeypatch.setattr(Gate, "__aexit__", left)
    return seen


@pytest.fixture
def clock() -> OwnClock:
    return OwnClock()


def buy_side_by_side(folder: Path, clock: OwnClock, till: Till, count: int, **seller: int) -> list[Data | PayerError]:
    """So many pieces at once through real sockets; what became of each."""

    async def run() -> list[Data | PayerError]:
        async with serving(till.serve) as server:
            keys = "".join(f"{name} = {value}\n" for name, value in seller.items())
            rules = parse_policy(s.POLICY.replace(f'base_url = "{s.SELLER}"', f'base_url = "{server.url}/v2"\n{keys}'))
            chain = s.ScriptedChain(lambda: s.chain_view(NonceState.UNUSED))
            with Ledger.open(f"sqlite:///{folder}/ledger.db") as ledger:
                async with HttpTransport(rules, clock) as sockets:
                    desk = Payer(PayerContext(ledger, rules, chain, sockets, Wallet(s.KEY), clock))
                    wanted = [_order(server.url, number) for number in range(count)]
                    approved = await desk.approve(p.run(at=clock.now()), wanted, await desk.quote(wanted))
                    return await asyncio.gather(*(_outcome(desk, one) for one in approved.purchases))

    return asyncio.run(run())


async def _outcome(desk: Payer, purchase: Purchase) -> Data | PayerError:
    try:
        return (await desk.buy(purchase)).data
    except PayerError as error:
        return error


def _order(url: str, number: int) -> Order:
    return Order(Request("GET", f"{url}/v2/tm-grade", (("token_id", str(number)),)), "final", "s", "tm-grade")


def test_a_payment_that_waits_for_its_turn_is_signed_when_it_comes(
    tmp_path: Path, clock: OwnClock, left: list[float]
) -> None:
    """At two requests a minute the last of eight leaves after four minutes, with the whole of its two before it."""
    came = buy_side_by_side(tmp_path, clock, Till(), 8, requests_per_minute=2, parallel=8)
    assert came == [Data.DELIVERED] * 8
    assert [round(seconds) for seconds in left] == [120] * 8


def test_a_payment_held_up_by_a_busy_seller_never_leaves_too_late(
    tmp_path: Path, clock: OwnClock, left: list[float]
) -> None:
    """Two answers 429, each for a minute, use up the two minutes of its validity."""
    busy = http(429, b"", {"retry-after": "60"})
    [outcome] = buy_side_by_side(tmp_path, clock, Till(busy, busy), 1)
    assert isinstance(outcome, Unresolved)
    assert [round(seconds) for seconds in left] == [120, 60]


@pytest.mark.parametrize(("patience", "seconds"), [(30, 90), (600, 630)])
def test_a_purchase_is_held_for_longer_than_its_answer_may_take(tmp_path: Path, patience: int, seconds: int) -> None:
    desk = s.context(tmp_path, s.ScriptedSeller([s.answer(200)]), s.ScriptedChain(lambda: None))
    rules = parse_policy(s.POLICY.replace("[sellers.s]", f"[sellers.s]\ntimeout_seconds = {patience}"))
    lease = new_lease(replace(desk, policy=rules), "s", "a seller that policy no longer names")
    assert lease.until - desk.clock.now() == timedelta(seconds=seconds)


class TestPace:
    def test_every_process_of_a_machine_keeps_the_same_pace(self, tmp_path: Path) -> None:
        """Two at once: no two requests closer than the rate says, whoever sends them."""
        script = (
            "import asyncio, sys, time; from pathlib import Path; from payer.values.clock import SystemClock;"
            "from payer.http.gate import RequestPace\n"
            "clock, pace, taken = SystemClock(), RequestPace(1200, Path(sys.argv[1])), []\n"
            "while len(taken) < 10:\n"
            "    now = clock.now(); left = asyncio.run(pace.take(now))\n"
            "    time.sleep(left)\n"
            "    taken += [] if left else [print(now.timestamp())]\n"
        )
        command = [sys.executable, "-c", script, str(tmp_path / "paces" / "s")]
        children = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        times = sorted(float(line) for child in children for line in child.communicate(timeout=60)[0].splitlines())
        assert len(times) == 20
        assert [later - earlier for earlier, later in pairwise(times) if later - earlier < 0.0499] == []

    def test_a_pause_that_one_process_met_holds_the_others_up(self, tmp_path: Path, clock: OwnClock) -> None:
        here, there = (Gate(clock, 1, RequestPace(60, tmp_path / "s")) for _ in range(2))
        asyncio.run(here.pause(20))
        began = clock.now()
        asyncio.run(there.wait())
        assert clock.now() - began == timedelta(seconds=20)

    def test_a_pause_that_can_not_be_kept_for_others_is_kept_here(self, tmp_path: Path, clock: OwnClock) -> None:
        """The answer that told of it is not lost with the ledger, or the disk, that is away."""
        (tmp_path / "paces").write_text("a file where the folder should be")
        gate = Gate(clock, 1, RequestPace(60, tmp_path / "paces" / "s"))
        asyncio.run(gate.pause(20))
        assert gate._open_at == clock.now() + timedelta(seconds=20)

    @pytest.mark.parametrize("content", [b"", b"rubbish", b"-9999999999999999999", b"99999999999999999"])
    def test_a_file_that_says_nothing_sensible_holds_nobody_up(
        self, tmp_path: Path, clock: OwnClock, content: bytes
    ) -> None:
        path = tmp_path / "s"
        path.write_bytes(content)
        pace = RequestPace(60, path)
        assert asyncio.run(pace.take(clock.now())) == 0.0
        assert asyncio.run(pace.take(clock.now())) == 1.0

    def test_a_clock_that_is_set_back_waits_no_longer_than_a_pause(self, clock: OwnClock) -> None:
        pace = RequestPace(60)
        asyncio.run(pace.take(clock.now()))
        assert asyncio.run(pace.take(clock.now() - timedelta(days=1))) == 0.0

    def test_without_a_place_to_keep_it_nothing_is_signed(self, tmp_path: Path, clock: OwnClock) -> None:
        (tmp_path / "paces").write_text("a file where the folder should be")
        with pytest.raises(LedgerUnavailable, match="pace of requests"):
            asyncio.run(RequestPace(60, tmp_path / "paces" / "s").take(clock.now()))

    def test_no_file_is_touched_for_a_seller_without_a_rate(self, tmp_path: Path, clock: OwnClock) -> None:
        sockets = HttpTransport(parse_policy(s.POLICY), clock, paces=tmp_path / "paces")
        asyncio.run(_turn(sockets))
        assert not (tmp_path / "paces").exists()


async def _turn(sockets: HttpTransport) -> None:
    async with sockets.turn(Request("GET", f"{s.SELLER}/x")):
        pass


class TestGate:
    def test_a_rate_spaces_requests_evenly(self) -> None:
        clock = OwnClock()

        async def run() -> list[float]:
            gate = Gate(clock, parallel=4, pace=RequestPace(30))
            began, seen = clock.now(), []
            for _ in range(4):
                async with gate:
                    seen.append((clock.now() - began).total_seconds())
            return seen

        assert asyncio.run(run()) == [0.0, 2.0, 4.0, 6.0]

    def test_a_shorter_pause_does_not_end_a_longer_one(self) -> None:
        clock = OwnClock()

        async def run() -> float:
            gate = Gate(clock, parallel=1)
            await gate.pause(30)
            await gate.pause(5)
            began = clock.now()
            await gate.wait()
            return (clock.now() - began).total_seconds()

        assert asyncio.run(run()) == 30.0

    @pytest.mark.parametrize(
        ("text", "seconds"),
        [
            (None, None),
            ("7", 7.0),
            (" 0 ", 0.0),
            ("999999999999", 60.0),
            ("Sun, 22 Nov 2026 12:00:09 GMT", 9.0),
            ("Sun, 22 Nov 2026 11:00:00 GMT", 0.0),
            ("Sun, 22 Nov 2037 12:00:09 GMT", 60.0),
            ("-5", None),
            ("soon", None),
            ("7.5", None),
            ("٧", None),
            ("", None),
            ("Sun, 99 Nov 2026 12:00:09 GMT", None),
            ("Sun, 22 Nov 2026 12:00:09", None),
        ],
    )
    def test_retry_after_is_read_as_seconds_or_a_date_and_bounded(
        self, text: str | None, seconds: float | None
    ) -> None:
        assert retry_after(text, OwnClock().now()) == seconds
