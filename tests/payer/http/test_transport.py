"""Busy sellers and their limits: which requests are repeated, after which pause, and that a payment is not."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from payer.http.exchange import Answer, NoAnswer
from payer.http.transport import HttpTransport
from payer.policy.file import parse_policy
from payer.values.clock import SystemClock
from payer.values.request import Request
from tests.payer.http.sockets import PAYMENT, closes_after_reading, reaching
from tests.payer.loopback import Loopback, OwnClock, Wire, answering, http, serving
from tests.payer.offers import POLICY_TOML

BUSY = [429, 500, 502, 503, 504]


def test_of_two_sellers_at_one_origin_each_keeps_its_own_limits() -> None:
    async def run() -> None:
        async with serving(answering(http(200, b"x" * 5000))) as server:
            line = f'base_url = "{server.url}/v2/deep"\nbody_bytes = 4096\n'
            text = POLICY_TOML.replace('base_url = "https://api.tokenmetrics.com/v2"', line)
            other = text[text.index("[sellers.tokenmetrics]") :].replace("4096", "9000").replace("/v2/deep", "/v2")
            rules = parse_policy(text + other.replace("tokenmetrics", "other"))
            async with HttpTransport(rules, SystemClock()) as transport:
                assert (await transport.send(Request("GET", server.url + "/v2/x"), PAYMENT, timeout=5)).status == 200
                with pytest.raises(NoAnswer, match="longer than 4096"):
                    await transport.send(Request("GET", server.url + "/v2/deep/x"), PAYMENT, timeout=5)

    asyncio.run(run())


class TestBusySellers:
    def send(self, headers: dict[str, str], *answers: bytes, method: str = "GET") -> tuple[Answer, Loopback, OwnClock]:
        clock = OwnClock()

        async def run() -> tuple[Answer, Loopback]:
            async with reaching(answering(*answers), clock=clock) as (server, transport):
                return await transport.send(Request(method, server.url), headers, timeout=5), server

        answer, server = asyncio.run(run())
        return answer, server, clock

    @pytest.mark.parametrize("status", BUSY)
    def test_an_unpaid_request_is_asked_again_with_growing_pauses(self, status: int) -> None:
        answer, server, clock = self.send({}, http(status), http(status), http(402))
        assert (answer.status, len(server.requests)) == (402, 3)
        assert 0.25 <= clock.slept[0] <= 0.75
        assert 0.5 <= clock.slept[1] <= 1.5

    def test_a_seller_that_stays_busy_is_answered_by_its_last_word(self) -> None:
        answer, server, _ = self.send({}, http(503))
        assert (answer.status, len(server.requests)) == (503, 4)

    @pytest.mark.parametrize("status", BUSY)
    @pytest.mark.parametrize("name", ["X-PAYMENT", "x-payment", "PAYMENT-SIGNATURE"])
    def test_a_paid_request_is_sent_once_whatever_comes(self, status: int, name: str) -> None:
        answer, server, clock = self.send({name: "cGF5"}, http(status), http(200))
        assert (answer.status, len(server.requests), clock.slept) == (status, 1, [])

    def test_an_unpaid_post_is_not_repeated(self) -> None:
        answer, server, _ = self.send({}, http(500), http(200), method="POST")
        assert (answer.status, len(server.requests)) == (500, 1)

    @pytest.mark.parametrize(("header", "requests"), [("payment-required: e30=", 1), ("x-seller: said", 4)])
    def test_an_answer_that_broke_off_is_asked_for_again_unless_its_header_holds_the_terms(
        self, header: str, requests: int
    ) -> None:
        async def half(wire: Wire) -> None:
            await wire.request()
            await wire.send(f"HTTP/1.1 402 X\r\n{header}\r\ncontent-length: 100\r\n\r\nhalf".encode())

        async def run() -> int:
            async with reaching(half, clock=OwnClock()) as (server, transport):
                with pytest.raises(NoAnswer, match="closed before the answer was whole") as broken:
                    await transport.send(Request("GET", server.url), {}, timeout=5)
                assert (broken.value.terms is not None) is (requests == 1)
                return len(server.requests)

        assert asyncio.run(run()) == requests

    def test_what_retry_after_asks_for_is_waited_for(self) -> None:
        answer, _, clock = self.send({}, http(429, b"", {"retry-after": "7"}), http(402))
        assert (answer.status, clock.slept) == (402, [7.0])

    def test_after_a_429_every_call_of_that_seller_waits(self) -> None:
        clock = OwnClock()

        async def run() -> None:
            script = answering(http(429, b"", {"retry-after": "20"}), http(200))
            async with reaching(script, clock=clock) as (server, transport):
                began = clock.now()
                await transport.send(Request("GET", server.url), PAYMENT, timeout=5)
                sends = (transport.send(Request("GET", server.url), PAYMENT, timeout=5) for _ in range(5))
                assert {answer.status for answer in await asyncio.gather(*sends)} == {200}
                assert clock.now() - began == timedelta(seconds=20)

        asyncio.run(run())

    def test_no_more_requests_run_at_once_than_policy_says(self) -> None:
        async def slow(wire: Wire) -> None:
            while True:
                await wire.request()
                wire.server.busy += 1
                wire.server.busiest = max(wire.server.busiest, wire.server.busy)
                await asyncio.sleep(0.02)
                wire.server.busy -= 1
                await wire.send(http(200))

        async def run() -> int:
            async with reaching(slow, extra="parallel = 3\n") as (server, transport):
                sends = (transport.send(Request("GET", server.url), PAYMENT, timeout=5) for _ in range(12))
                await asyncio.gather(*sends)
                return server.busiest

        assert asyncio.run(run()) == 3

    def test_a_place_is_given_back_when_a_send_fails(self) -> None:
        async def run() -> int:
            async with reaching(closes_after_reading, extra="parallel = 1\n") as (server, transport):
                for _ in range(3):
                    with pytest.raises(NoAnswer):
                        await transport.send(Request("GET", server.url), PAYMENT, timeout=5)
                return len(server.requests)

        assert asyncio.run(run()) == 3
