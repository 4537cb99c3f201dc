"""NotSent and NoAnswer, over real sockets that misbehave in every known way: NotSent needs proof."""

from __future__ import annotations

import asyncio
import io
import logging
import socket
import ssl
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from payer.http.exchange import NoAnswer, NotSent, Unanswered
from payer.http.transport import HttpTransport
from payer.values.request import Request
from tests.payer.http.sockets import PAYMENT, closes_after_reading, lost, pay, reaching, transport_to
from tests.payer.loopback import Loopback, Script, Wire, answering, http, serving


async def _resets_at_once(wire: Wire) -> None:
    wire.reset()


async def _resets_after_reading(wire: Wire) -> None:
    await wire.request()
    wire.reset()


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
    "closed without an answer": closes_after_reading,
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


CAUSES = {
    "closed without an answer": "the connection failed: it was closed before the answer was whole",
    "half a body": "the connection failed: it was closed before the answer was whole",
    "half a chunk": "the connection failed: it was closed before the answer was whole",
    "no last chunk": "the connection failed: it was closed before the answer was whole",
    "not HTTP": "the connection failed: what came is not valid HTTP",
    "a negative length": "the connection failed: what came is not valid HTTP",
    "two lengths": "the connection failed: what came is not valid HTTP",
    "reset within the body": "the connection failed: connection reset by peer",
}


@pytest.mark.parametrize(("kind", "told"), CAUSES.items(), ids=CAUSES)
def test_each_is_told_as_what_it_is_and_never_by_a_name_of_pythons(kind: str, told: str) -> None:
    assert lost(AMBIGUOUS[kind]).reason == told


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
    assert outcome.reason == "no complete answer within 0.3 s"


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
        assert outcome.reason == "no connection: connection refused"

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
        assert outcome.reason.startswith("no connection: its certificate is not trusted: self-signed certificate")
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
        assert outcome.reason.startswith("no connection: TLS failed: ")
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
