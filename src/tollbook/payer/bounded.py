"""Reading an HTTP answer without trusting its size: headers clipped, bodies stopped, compression unpacked so far."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterable, Iterable
from dataclasses import dataclass

HEADER_VALUE_LIMIT = 16 * 1024
HEADER_TOTAL_LIMIT = 64 * 1024
HEADER_COUNT_LIMIT = 128
_WINDOW = {"gzip": 31, "x-gzip": 31, "deflate": 15}


@dataclass(frozen=True, slots=True)
class Body:
    """What was read. `whole` is False when the limit stopped it; `decoded` when a compression was undone."""

    data: bytes
    whole: bool
    decoded: bool = False


class Undecodable(ValueError):
    """A compressed body is broken or cut."""


def clip_headers(items: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Headers in lower case. A repeated one is joined with ", " (RFC 9110 §5.2).

    A value over the limit keeps one character more than the limit: whoever reads it then sees that it is too long.
    """
    found: dict[str, str] = {}
    total = 0
    for count, (name, value) in enumerate(items):
        if count >= HEADER_COUNT_LIMIT or total > HEADER_TOTAL_LIMIT:
            break
        key = name.lower()
        text = value if key not in found else f"{found[key]}, {value}"
        found[key] = text[: HEADER_VALUE_LIMIT + 1]
        total += len(name) + min(len(value), HEADER_VALUE_LIMIT)
    return found


async def read_body(chunks: AsyncIterable[bytes], encoding: str, limit: int) -> Body:
    """At most `limit` bytes of a body, unpacked if it came as gzip or deflate though identity was asked for.

    Other encodings are kept as they came. Raises Undecodable for a broken compression.
    """
    window = _WINDOW.get(encoding.strip().lower())
    if window is not None:
        return await _unpack(chunks, window, limit)
    held = bytearray()
    async for chunk in chunks:
        held += chunk
        if len(held) > limit:
            return Body(bytes(held[:limit]), whole=False)
    return Body(bytes(held), whole=True)


async def _unpack(chunks: AsyncIterable[bytes], window: int, limit: int) -> Body:
    unpacker = zlib.decompressobj(window)
    held = bytearray()
    async for chunk in chunks:
        try:
            held += unpacker.decompress(chunk, limit + 1 - len(held))
        except zlib.error:
            raise Undecodable("the compressed body is broken") from None
        if len(held) > limit:
            return Body(bytes(held[:limit]), whole=False, decoded=True)
    if not unpacker.eof:
        raise Undecodable("the compressed body is cut short")
    return Body(bytes(held), whole=True, decoded=True)
