"""Bodies of every encoding, in pieces of any size: unpacked whole, or kept as they came, and never beyond the limit."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payer.http.bounded import (
    HEADER_COUNT_LIMIT,
    HEADER_TOTAL_LIMIT,
    HEADER_VALUE_LIMIT,
    Body,
    clip_headers,
    read_body,
)

LIMIT = 4096
ONE, OTHER = b'{"rows":[1', b",2]}"


def read(raw: bytes, encoding: str, *, limit: int = LIMIT, piece: int = 1000) -> Body:
    async def chunks() -> AsyncIterator[bytes]:
        for at in range(0, len(raw), piece):
            yield raw[at : at + piece]

    return asyncio.run(read_body(chunks(), encoding, limit))


@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_every_member_of_a_gzip_body_is_unpacked(piece: int) -> None:
    """RFC 1952 §2.2. The first alone would be half a delivery, taken for a whole one."""
    raw = gzip.compress(ONE) + gzip.compress(b"") + gzip.compress(OTHER)
    assert read(raw, "gzip", piece=piece) == Body(ONE + OTHER, whole=True, decoded=True)


BROKEN = {
    "junk": (b"\x1f\x8b\x08junkjunk", "gzip", "is broken"),
    "plain text": (ONE + OTHER, "gzip", "is broken"),
    "cut short": (gzip.compress(bytes(999))[:-9], "gzip", "is cut short"),
    "a second member cut short": (gzip.compress(ONE) + gzip.compress(OTHER)[:-3], "gzip", "is cut short"),
    "something after the end": (gzip.compress(ONE) + b"</html>", "gzip", "is broken"),
    "a wrong checksum": (gzip.compress(ONE)[:-8] + bytes(8), "gzip", "is broken"),
    "deflate goes on": (zlib.compress(ONE) + zlib.compress(OTHER), "deflate", "continues after its end"),
    "gzip called deflate": (gzip.compress(ONE), "deflate", "is broken"),
}


@pytest.mark.parametrize(("raw", "encoding", "why"), BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("piece", [1, 1000])
def test_what_can_not_be_unpacked_is_kept_as_it_came(raw: bytes, encoding: str, why: str, piece: int) -> None:
    """I4."""
    assert read(raw, encoding, piece=piece) == Body(raw, whole=True, note=f"the compressed body {why}")


def test_an_empty_body_is_empty_whatever_it_is_called() -> None:
    assert read(b"", "gzip") == Body(b"", whole=True, decoded=True)


def test_a_body_that_unpacks_to_nothing_is_stopped() -> None:
    assert not read(gzip.compress(b"") * 1000, "gzip").whole


def test_broken_bytes_are_kept_up_to_the_limit_and_no_further() -> None:
    body = read(b"x" * (LIMIT + 1), "gzip")
    assert (len(body.data), body.whole) == (LIMIT, False)


@settings(max_examples=60, deadline=None)
@given(
    parts=st.lists(st.binary(max_size=600), min_size=1, max_size=4),
    encoding=st.sampled_from(["gzip", "deflate", "identity", "br"]),
    damage=st.tuples(st.integers(0, 5000), st.binary(max_size=3)) | st.none(),
    piece=st.integers(1, 700),
)
def test_a_body_is_what_was_packed_or_what_was_sent(
    parts: list[bytes], encoding: str, damage: tuple[int, bytes] | None, piece: int
) -> None:
    """However it is cut into pieces and whatever is wrong with it: nothing raised, nothing lost, nothing beyond."""
    plain = b"".join(parts)
    packed = {"gzip": b"".join(map(gzip.compress, parts)), "deflate": zlib.compress(plain)}
    raw = packed.get(encoding, plain)
    if damage is not None:
        at = damage[0] % (len(raw) + 1)
        raw = raw[:at] + damage[1]
    body = read(raw, encoding, piece=piece)
    assert body.whole
    assert body.data == raw or (body.decoded and plain.startswith(body.data))
    assert body.data == plain or damage is not None


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["A", "a", "B", "x-very-long"]), st.text(max_size=30).map(lambda t: t * 900)))
)
def test_headers_are_kept_within_their_bounds_and_none_hides_another(items: list[tuple[str, str]]) -> None:
    clipped = clip_headers(items)
    assert len(clipped) <= HEADER_COUNT_LIMIT
    assert all(name == name.lower() and len(value) <= HEADER_VALUE_LIMIT + 1 for name, value in clipped.items())
    if sum(len(value) for _, value in items) < HEADER_TOTAL_LIMIT // 4 and len(items) < HEADER_COUNT_LIMIT:
        for name in {name.lower() for name, _ in items}:
            joined = ", ".join(value for other, value in items if other.lower() == name)
            assert clipped[name] == joined[: HEADER_VALUE_LIMIT + 1]
