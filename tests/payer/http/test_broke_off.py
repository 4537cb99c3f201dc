"""An answer that breaks off after its headers, over real sockets: what came of it is told beside the failure."""

from __future__ import annotations

import asyncio
import gzip

import pytest

from payer.http.exchange import ERROR_BODY_LIMIT
from tests.payer.http.sockets import BODY_LIMIT, closes_after_reading, lost
from tests.payer.loopback import Script, Wire, answering, http

HEAD = b"HTTP/1.1 402 X\r\nx-seller: said\r\n"
PACKED = gzip.compress(b"half of it" * 5_000, 0)


def _sends(raw: bytes, *, then: str = "closes") -> Script:
    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(raw)
        if then == "resets":
            await asyncio.sleep(0.05)
            wire.reset()
        elif then == "waits":
            await asyncio.sleep(30)

    return script


BEGUN = {
    "half a body": (_sends(HEAD + b"content-length: 100\r\n\r\nhalf"), b"half"),
    "a reset": (_sends(HEAD + b"content-length: 100\r\n\r\nhalf", then="resets"), b"half"),
    "no body yet": (_sends(HEAD + b"content-length: 100\r\n\r\n"), b""),
    "no last chunk": (_sends(HEAD + b"transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n"), b"half"),
    "too slow": (_sends(HEAD + b"content-length: 100\r\n\r\nhalf", then="waits"), b"half"),
}


@pytest.mark.parametrize(("script", "body"), BEGUN.values(), ids=BEGUN)
def test_status_headers_and_what_came_of_the_body_are_told(script: Script, body: bytes) -> None:
    begun = lost(script, timeout=0.5).begun
    assert begun is not None
    assert (begun.status, begun.headers["x-seller"], begun.body, begun.cut) == (402, "said", body, True)
    assert 0 < begun.elapsed < 5


def test_a_compressed_start_is_told_as_far_as_it_can_be_read() -> None:
    head = f"content-encoding: gzip\r\ncontent-length: {len(PACKED)}\r\n\r\n".encode()
    begun = lost(_sends(HEAD + head + PACKED[:20_000])).begun
    assert begun is not None
    assert b"half of it" * 1_000 in begun.body


@pytest.mark.parametrize("script", [closes_after_reading, _sends(HEAD)], ids=["nothing", "half the headers"])
def test_without_whole_headers_nothing_has_begun(script: Script) -> None:
    assert lost(script, timeout=0.5).begun is None


def test_of_a_body_that_is_too_long_the_start_is_told() -> None:
    begun = lost(answering(http(200, b"x" * (BODY_LIMIT + 1)))).begun
    assert begun is not None
    assert begun.status == 200
    assert BODY_LIMIT <= len(begun.body) <= ERROR_BODY_LIMIT
