"""Real sockets on loopback that misbehave in every known way: bounded, never redirected, sure of what may have left."""

from __future__ import annotations

import asyncio
import gzip
import io
import logging
import socket
import ssl
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.payer.loopback import Loopback, OwnClock, Script, Wire, answering, http, serving
from tests.payer.offers import POLICY_TOML, b64
from tollbook.payer.clock import SystemClock
from tollbook.payer.http.bounded import HEADER_COUNT_LIMIT, HEADER_VALUE_LIMIT
from tollbook.payer.http.exchange import ERROR_BODY_LIMIT, url_of
from tollbook.payer.http.gate import Gate, retry_after
from tollbook.payer.http.outcome import Answer, NoAnswer, NotSent, Unanswered
from tollbook.payer.http.pace import Pace
from tollbook.payer.http.transport import HttpTransport
from tollbook.payer.policy.file import parse_policy
from tollbook.payer.types import Clock, Request
from tollbook.payer.wire.x402 import parse_receipt

PAYMENT = {"PAYMENT-SIGNATURE": "c2VjcmV0LXBheW1lbnQtaGVhZGVy"}
BODY_LIMIT = 100_000


def transport_to(url: str, *, clock: Clock | None = None, extra: str = "") -> HttpTransport:
    """A transport whose policy names one seller at this address."""
    line = f'base_url = "{url}"\nbody_bytes = {BODY_LIMIT}\n{extra}'
    rules = parse_policy(POLICY_TOML.replace('base_url = "https://api.tokenmetrics.com/v2"', line))
    return HttpTransport(rules, SystemClock() if clock is None else clock, seed=1)


@asynccontextmanager
async def reaching(script: Script, **settings: Any) -> AsyncIterator[tuple[Loopback, HttpTransport]]:
    async with serving(script) as server, transport_to(server.url, **settings) as transport:
        yield server, transport


def pay(script: Script, *, timeout: float = 5.0) -> tuple[Answer | Unanswered, Loopback]:
    """Send one paid request to such a server; what came back or was raised, and what the server saw."""

    async def run() -> tuple[Answer | Unanswered, Loopback]:
        async with reaching(script) as (server, transport):
            try:
                return await transport.send(Request("GET", server.url + "/x"), PAYMENT, timeout=timeout), server
            except Unanswered as outcome:
                return outcome, server

    return asyncio.run(run())


def answered(script: Script) -> Answer:
    outcome, _ = pay(script)
    assert isinstance(outcome, Answer)
    return outcome


def lost(script: Script, *, timeout: float = 5.0) -> NoAnswer:
    """The payment may have left: asserted, since freeing its money would be the mistake."""
    outcome, _ = pay(script, timeout=timeout)
    assert type(outcome) is NoAnswer
    return outcome


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
                used._sellers = transport_to(server.url)._sellers
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


async def _resets_at_once(wire: Wire) -> None:
    wire.reset()


async def _resets_after_reading(wire: Wire) -> None:
    await wire.request()
    wire.reset()


async def _closes_after_reading(wire: Wire) -> None:
    await wire.request()


async def _says_nothing(wire: Wire) -> None:
    await wire.request()
    await asyncio.sleep(30)


async def _resets_in_the_body(wire: Wire) -> None:
    await wire.request()
    await wire.send(http(200, b"half", length=100))
    await asyncio.sleep(0.05)
    wire.reset()


async def _half_a_body(wire: Wire) -> None:
    await wire.request()
    await wire.send(http(200, b"half", {"PAYMENT-RESPONSE": "e30="}, length=100))


async def _half_a_chunk(wire: Wire) -> None:
    await wire.request()
    await wire.send(b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n5\r\nhe")


async def _no_last_chunk(wire: Wire) -> None:
    await wire.request()
    await wire.send(b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n")


async def _garbage(wire: Wire) -> None:
    await wire.request()
    await wire.send(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")


async def _endless_header(wire: Wire) -> None:
    await wire.request()
    await wire.send(b"HTTP/1.1 200 X\r\nx-pad: " + b"a" * 300_000)


async def _bad_length(wire: Wire) -> None:
    await wire.request()
    await wire.send(b"HTTP/1.1 200 X\r\ncontent-length: -5\r\n\r\nhello")


async def _two_lengths(wire: Wire) -> None:
    await wire.request()
    await wire.send(b"HTTP/1.1 200 X\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!")


AMBIGUOUS = {
    "reset before it was read": _resets_at_once,
    "reset after it was read": _resets_after_reading,
    "closed without an answer": _closes_after_reading,
    "reset within the body": _resets_in_the_body,
    "half a body": _half_a_body,
    "half a chunk": _half_a_chunk,
    "no last chunk": _no_last_chunk,
    "not HTTP": _garbage,
    "a header without end": _endless_header,
    "a negative length": _bad_length,
    "two lengths": _two_lengths,
}


@pytest.mark.parametrize("script", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_what_fails_after_the_request_may_have_left_is_no_answer(script: Script) -> None:
    """I9: never NotSent, which would free the money. It is sent once, and never again by the transport."""
    outcome, server = pay(script)
    assert type(outcome) is NoAnswer
    assert server.connections == 1


def test_half_an_answer_keeps_what_arrived_as_evidence() -> None:
    outcome = lost(_half_a_body)
    assert outcome.status == 200
    assert parse_receipt(outcome.headers) is not None


async def _drips_a_body(wire: Wire) -> None:
    await wire.request()
    await wire.send(b"HTTP/1.1 200 X\r\ncontent-length: 1000\r\n\r\n")
    for _ in range(1000):
        await wire.send(b"x")
        await asyncio.sleep(0.02)


async def _drips_headers(wire: Wire) -> None:
    await wire.request()
    await wire.send(b"HTTP/1.1 200 X\r\n")
    for _ in range(1000):
        await wire.send(b"x-a: b\r\n")
        await asyncio.sleep(0.02)


async def _informs_for_ever(wire: Wire) -> None:
    await wire.request()
    for _ in range(1000):
        await wire.send(b"HTTP/1.1 103 Early\r\n\r\n")
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("script", [_says_nothing, _drips_a_body, _drips_headers, _informs_for_ever])
def test_one_deadline_ends_every_kind_of_slowness(script: Script) -> None:
    started = time.perf_counter()
    outcome = lost(script, timeout=0.3)
    assert time.perf_counter() - started < 2
    assert outcome.reason == "no whole answer within 0.3 s"


class TestNotSent:
    """Only with proof."""

    def send(self, url: str, *, transport: HttpTransport | None = None, timeout: float = 5.0) -> Unanswered:
        async def run() -> Unanswered:
            async with transport or transport_to(url) as used:
                with pytest.raises(Unanswered) as caught:
                    await used.send(Request("GET", url), PAYMENT, timeout=timeout)
                return caught.value

        return asyncio.run(run())

    def test_a_refused_connection_proves_it(self) -> None:
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            outcome = self.send(f"http://127.0.0.1:{held.getsockname()[1]}")
        assert type(outcome) is NotSent
        assert "ConnectError" in outcome.reason

    def test_a_connection_that_is_never_made_proves_it(self) -> None:
        """A full backlog: the handshake hangs until the deadline."""
        with socket.socket() as full:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            port = full.getsockname()[1]
            queued = [socket.socket() for _ in range(4)]
            for one in queued:
                one.setblocking(False)
                one.connect_ex(("127.0.0.1", port))
            outcome = self.send(f"http://127.0.0.1:{port}", timeout=0.4)
            for one in queued:
                one.close()
        assert type(outcome) is NotSent

    @pytest.mark.parametrize(
        "url",
        [
            "https://api.tokenmetrics.com.evil.example/v2/x",
            "http://127.0.0.1:1/x",
            "http://evil.example/x",
            "http://10.0.0.1/x",
            "file:///etc/passwd",
            "https://",
        ],
    )
    def test_an_origin_that_policy_does_not_name_is_never_connected_to(self, url: str) -> None:
        outcome = self.send(url, transport=transport_to("https://api.tokenmetrics.com/v2"))
        assert type(outcome) is NotSent
        assert "policy" in outcome.reason or "plain http" in outcome.reason

    def test_a_certificate_that_nobody_vouches_for_proves_it(self, tmp_path: Path) -> None:
        async def run() -> tuple[Unanswered, Loopback]:
            tls = _self_signed(tmp_path)
            async with serving(answering(http(200)), tls=tls) as server, transport_to(server.url) as transport:
                with pytest.raises(Unanswered) as caught:
                    await transport.send(Request("GET", server.url), PAYMENT, timeout=5)
                return caught.value, server

        outcome, server = asyncio.run(run())
        assert type(outcome) is NotSent
        assert server.requests == []

    def test_a_server_without_tls_proves_it(self) -> None:
        async def run() -> tuple[Unanswered, list[bytes]]:
            seen: list[bytes] = []

            async def plain(wire: Wire) -> None:
                seen.append(await wire.reader.read(65536))
                await wire.send(http(400))

            async with serving(plain) as server:
                url = server.url.replace("http:", "https:")
                async with transport_to(url) as transport:
                    with pytest.raises(Unanswered) as caught:
                        await transport.send(Request("GET", url), PAYMENT, timeout=5)
            return caught.value, seen

        outcome, seen = asyncio.run(run())
        assert type(outcome) is NotSent
        assert all(PAYMENT["PAYMENT-SIGNATURE"].encode() not in raw for raw in seen)

    @pytest.mark.parametrize("value", ["é", "a\r\nx-evil: 1", "a\nb", "a\x00b"])
    def test_a_header_that_is_no_header_never_reaches_the_seller(self, value: str) -> None:
        async def run() -> Loopback:
            async with reaching(answering(http(200))) as (server, transport):
                with pytest.raises(Unanswered):
                    await transport.send(Request("GET", server.url), {"X-PAYMENT": value}, timeout=5)
                return server

        assert asyncio.run(run()).requests == []


def _self_signed(folder: Path) -> ssl.SSLContext:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
    ).sign(key, hashes.SHA256())
    encoding = serialization.Encoding.PEM
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = folder / "server.pem"
    path.write_bytes(private + certificate.public_bytes(encoding))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


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

    def test_a_huge_header_is_clipped_so_that_its_reader_sees_it_is_too_long(self) -> None:
        answer = answered(answering(http(200, b"data", {"payment-response": "A" * 40_000})))
        assert (answer.body, len(answer.headers["payment-response"])) == (b"data", HEADER_VALUE_LIMIT + 1)
        receipt = parse_receipt(answer.headers)
        assert receipt is not None
        assert receipt.malformed

    def test_only_so_many_headers_are_kept(self) -> None:
        many = {f"x-{number}": "v" for number in range(1000)}
        assert len(answered(answering(http(200, b"", many))).headers) == HEADER_COUNT_LIMIT


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
            async with reaching(_closes_after_reading, extra="parallel = 1\n") as (server, transport):
                for _ in range(3):
                    with pytest.raises(NoAnswer):
                        await transport.send(Request("GET", server.url), PAYMENT, timeout=5)
                return len(server.requests)

        assert asyncio.run(run()) == 3


class TestGate:
    def test_a_rate_spaces_requests_evenly(self) -> None:
        clock = OwnClock()

        async def run() -> list[float]:
            gate = Gate(clock, parallel=4, pace=Pace(30))
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
            gate.pause(30)
            gate.pause(5)
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


class TestKeptConnections:
    def test_one_closed_in_time_is_replaced(self) -> None:
        async def once(wire: Wire) -> None:
            await wire.request()
            await wire.send(http(200))

        async def run() -> Loopback:
            async with reaching(once) as (server, transport):
                for _ in range(3):
                    await transport.send(Request("GET", server.url), PAYMENT, timeout=5)
                    await asyncio.sleep(0.05)
                return server

        assert asyncio.run(run()).connections == 3

    def test_one_closed_under_our_request_is_no_answer(self) -> None:
        """Whether the server read it first can't be known, so it isn't sent anew."""

        async def run() -> Loopback:
            async def script(wire: Wire) -> None:
                await wire.request()
                await wire.send(http(200))
                await wire.request()

            async with reaching(script) as (server, transport):
                await transport.send(Request("GET", server.url), PAYMENT, timeout=5)
                with pytest.raises(NoAnswer):
                    await transport.send(Request("GET", server.url), PAYMENT, timeout=5)
                return server

        assert asyncio.run(run()).connections == 1


def test_a_cancelled_send_leaves_no_connection_behind() -> None:
    async def run() -> None:
        closed = asyncio.Event()

        async def waits(wire: Wire) -> None:
            await wire.request()
            assert await wire.reader.read() == b""
            closed.set()

        async with reaching(waits) as (server, transport):
            task = asyncio.create_task(transport.send(Request("GET", server.url), PAYMENT, timeout=30))
            while not server.requests:
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.wait_for(closed.wait(), 5)

    asyncio.run(run())


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_proxies_of_the_environment_see_no_payment(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> Loopback:
        async with serving(answering(http(200))) as proxy:
            monkeypatch.setenv(name, proxy.url)
            async with reaching(answering(http(200))) as (server, transport):
                await transport.send(Request("GET", server.url), PAYMENT, timeout=5)
            return proxy

    assert asyncio.run(run()).connections == 0


@pytest.mark.parametrize("script", [answering(http(200)), *AMBIGUOUS.values()])
def test_a_payment_header_is_in_no_log_and_no_error(script: Script) -> None:
    """I10, with every logger at its most talkative."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        outcome, server = pay(script)
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    secret = PAYMENT["PAYMENT-SIGNATURE"]
    assert stream.getvalue(), "something was logged, or this proves nothing"
    assert secret not in stream.getvalue()
    assert secret not in repr(outcome)
    if isinstance(outcome, Unanswered):
        assert outcome.__context__ is None
        assert outcome.__cause__ is None
        assert server.url not in outcome.reason


def test_addresses_are_written_the_same_way_each_time() -> None:
    request = Request("GET", "https://h/p", (("token_id", "3375,3306"), ("q", "a b/c?d")))
    assert url_of(request) == "https://h/p?token_id=3375,3306&q=a%20b%2Fc%3Fd"
    assert url_of(Request("GET", "https://h/p")) == "https://h/p"
