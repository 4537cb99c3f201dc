"""Requests over real sockets on loopback: the bytes sent, the part of an answer that is read, no redirect followed."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import Awaitable, Callable

import pytest

from payer.http.bounded import HEADER_COUNT_LIMIT, HEADER_VALUE_LIMIT
from payer.http.exchange import ERROR_BODY_LIMIT, request_url
from payer.http.transport import HttpTransport
from payer.values.request import Request
from payer.wire.seller_word import parse_receipt
from tests.payer.http.sockets import BODY_LIMIT, PAYMENT, answered, lost, reaching, transport_to
from tests.payer.loopback import Loopback, Wire, answering, http, serving
from tests.payer.offers import b64


class TestAnswers:
    def test_an_answer_has_its_status_headers_in_lower_case_and_body(self) -> None:
        answer = answered(answering(http(200, b'{"a":1}', {"Content-Type": "application/json", "X-B": "2"})))
        assert (answer.status, answer.body) == (200, b'{"a":1}')
        assert (answer.headers["content-type"], answer.headers["x-b"]) == ("application/json", "2")
        assert 0 < answer.elapsed < 5

    @pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 412, 429, 500, 502, 503])
    def test_every_status_is_an_answer_with_its_receipt(self, status: int) -> None:
        """A 503 may carry a successful receipt: it is evidence on every status."""
        receipt = {"success": True, "transaction": "0x" + "ab" * 32, "network": "eip155:8453"}
        answer = answered(answering(http(status, b"{}", {"PAYMENT-RESPONSE": b64(receipt)})))
        read = parse_receipt(answer.headers)
        assert answer.status == status
        assert read is not None
        assert read.success

    def test_repeated_headers_are_joined_so_that_none_hides(self) -> None:
        raw = b"HTTP/1.1 402 X\r\ncontent-length: 0\r\nPayment-Required: YQ==\r\npayment-required: Yg==\r\n\r\n"
        assert answered(answering(raw)).headers["payment-required"] == "YQ==, Yg=="

    def test_what_is_sent_is_the_request_and_asks_for_no_compression(self) -> None:
        async def run() -> bytes:
            async with reaching(answering(http(200))) as (server, transport):
                request = Request(
                    "POST", server.url + "/v2/x", (("a", "1,2"), ("b", "ü &=")), b"{}", (("x-coinbase-402", "true"),)
                )
                await transport.send(request, PAYMENT, timeout=5)
                return server.requests[0]

        head, _, body = asyncio.run(run()).partition(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        assert lines[0] == b"post /v2/x?a=1,2&b=%c3%bc%20%26%3d http/1.1"
        assert body == b"{}"
        for line in (b"accept-encoding: identity", b"x-coinbase-402: true", b"content-type: application/json"):
            assert line in lines
        assert b"payment-signature: " + PAYMENT["PAYMENT-SIGNATURE"].lower().encode() in lines

    def test_connections_are_kept_and_shared(self) -> None:
        async def run() -> Loopback:
            async with reaching(answering(http(200))) as (server, transport):
                for _ in range(5):
                    await transport.send(Request("GET", server.url), PAYMENT, timeout=5)
                return server

        server = asyncio.run(run())
        assert (server.connections, len(server.requests)) == (1, 5)

    def test_a_transport_outlives_an_event_loop(self) -> None:
        """Commands run several loops over one workspace."""

        async def run(transport: HttpTransport | None) -> HttpTransport:
            async with serving(answering(http(200))) as server:
                used = transport_to(server.url) if transport is None else transport
                used._policy = transport_to(server.url)._policy
                assert (await used.send(Request("GET", server.url), PAYMENT, timeout=5)).status == 200
                await used.aclose()
                return used

        asyncio.run(run(asyncio.run(run(None))))

    def test_cookies_are_never_sent_back(self) -> None:
        async def run() -> bytes:
            async with reaching(answering(http(200, headers={"set-cookie": "id=7"}))) as (server, transport):
                for _ in range(2):
                    await transport.send(Request("GET", server.url), {}, timeout=5)
                return server.requests[1]

        assert b"cookie" not in asyncio.run(run()).lower()


async def _other_origin(call: Callable[[Loopback, Loopback, HttpTransport], Awaitable[None]], status: int) -> None:
    async with (
        serving(answering(http(200, b"stolen"))) as other,
        serving(answering(http(status, b"", {"location": other.url + "/pay-here"}))) as server,
        transport_to(server.url) as transport,
    ):
        await call(server, other, transport)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("headers", [{}, PAYMENT], ids=["before payment", "with payment"])
def test_a_redirect_is_an_answer_and_is_never_followed(status: int, headers: dict[str, str]) -> None:
    async def call(server: Loopback, other: Loopback, transport: HttpTransport) -> None:
        answer = await transport.send(Request("GET", server.url), headers, timeout=5)
        assert answer.status == status
        assert (len(server.requests), other.connections) == (1, 0)

    asyncio.run(_other_origin(call, status))


class TestSizes:
    def test_an_oversized_402_is_cut_and_said_so(self) -> None:
        answer = answered(answering(http(402, b"x" * (ERROR_BODY_LIMIT + 1))))
        assert (len(answer.body), answer.cut) == (ERROR_BODY_LIMIT, True)

    def test_a_paid_body_may_be_as_large_as_policy_says_and_no_larger(self) -> None:
        assert len(answered(answering(http(200, b"x" * BODY_LIMIT))).body) == BODY_LIMIT
        assert "body_bytes" in lost(answering(http(200, b"x" * (BODY_LIMIT + 1)))).reason

    def test_an_endless_body_is_stopped(self) -> None:
        async def endless(wire: Wire) -> None:
            await wire.request()
            await wire.send(b"HTTP/1.1 200 X\r\nconnection: close\r\n\r\n")
            while True:
                await wire.send(b"x" * 65536)

        assert "body_bytes" in lost(endless).reason

    @pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "deflate", "GZIP"])
    def test_a_compressed_answer_is_unpacked_though_nobody_asked_for_it(self, encoding: str) -> None:
        pack = zlib.compress if encoding == "deflate" else gzip.compress
        answer = answered(answering(http(200, pack(b'{"rows":[]}'), {"content-encoding": encoding})))
        assert answer.body == b'{"rows":[]}'
        assert "content-encoding" not in answer.headers

    @pytest.mark.parametrize("encoding", ["gzip", "deflate"])
    def test_what_is_not_compressed_as_it_says_is_kept_as_it_came_with_a_note(self, encoding: str) -> None:
        """I4: paid bytes are never thrown away. Most often they are plain JSON under a proxy's label."""
        answer = answered(answering(http(200, b'{"rows":[]}', {"content-encoding": encoding})))
        assert (answer.body, answer.headers["content-encoding"]) == (b'{"rows":[]}', encoding)
        assert answer.note == "the compressed body is broken"

    def test_a_compressed_bomb_is_stopped_at_the_limit(self) -> None:
        bomb = gzip.compress(b"\0" * 50_000_000)
        assert "body_bytes" in lost(answering(http(200, bomb, {"content-encoding": "gzip"}))).reason
        answer = answered(answering(http(402, bomb, {"content-encoding": "gzip"})))
        assert (len(answer.body), answer.cut) == (ERROR_BODY_LIMIT, True)

    def test_an_unknown_compression_is_kept_as_it_came(self) -> None:
        """I4: paid bytes are never thrown away because they can't be read yet."""
        answer = answered(answering(http(200, b"\x01\x02", {"content-encoding": "br"})))
        assert (answer.body, answer.headers["content-encoding"]) == (b"\x01\x02", "br")

    def test_terms_as_long_as_real_sellers_send_arrive_whole(self) -> None:
        """Signed offers of several tiers in a header of 64 KiB; a v1 body with the seller's schemas."""
        terms = "A" * (64 * 1024)
        answer = answered(answering(http(402, b"x" * 1_000_000, {"payment-required": terms})))
        assert (answer.headers["payment-required"], len(answer.body), answer.cut) == (terms, 1_000_000, False)

    def test_headers_that_can_not_be_read_at_all_are_named(self) -> None:
        assert "longer than 100 KiB" in lost(answering(http(402, b"", {"payment-required": "A" * 400_000}))).reason

    def test_terms_behind_many_other_headers_are_found(self) -> None:
        many = {f"x-{number}": "y" for number in range(HEADER_COUNT_LIMIT + 9)}
        answer = answered(answering(http(402, b"", {**many, "payment-required": "AAAA"})))
        assert answer.headers["payment-required"] == "AAAA"

    def test_a_huge_header_is_clipped_so_that_its_reader_sees_it_is_too_long(self) -> None:
        answer = answered(answering(http(200, b"data", {"payment-response": "A" * 80_000})))
        assert (answer.body, len(answer.headers["payment-response"])) == (b"data", HEADER_VALUE_LIMIT + 1)
        receipt = parse_receipt(answer.headers)
        assert receipt is not None
        assert receipt.malformed

    def test_only_so_many_headers_are_kept(self) -> None:
        many = {f"x-{number}": "v" for number in range(1000)}
        assert len(answered(answering(http(200, b"", many))).headers) == HEADER_COUNT_LIMIT


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_proxies_of_the_environment_see_no_payment(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> Loopback:
        async with serving(answering(http(200))) as proxy:
            monkeypatch.setenv(name, proxy.url)
            async with reaching(answering(http(200))) as (server, transport):
                await transport.send(Request("GET", server.url), PAYMENT, timeout=5)
            return proxy

    assert asyncio.run(run()).connections == 0


def test_addresses_are_written_the_same_way_each_time() -> None:
    request = Request("GET", "https://h/p", (("token_id", "3375,3306"), ("q", "a b/c?d")))
    assert request_url(request) == "https://h/p?token_id=3375,3306&q=a%20b%2Fc%3Fd"
    assert request_url(Request("GET", "https://h/p")) == "https://h/p"
