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
    """What was read. `whole` is False when the limit stopped it; `decoded` when a compression was undone, `note` says
    why it was not, and the bytes are as they came."""

    data: bytes
    whole: bool
    decoded: bool = False
    note: str = ""


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

    Other encodings, and a compression that is broken, cut or not what it is called, are kept as they came (I4).
    """
    window = _WINDOW.get(encoding.strip().lower())
    unpacker = None if window is None else _Unpacker(window, limit)
    raw = bytearray()
    async for chunk in chunks:
        raw += chunk
        if unpacker is not None:
            unpacker.feed(chunk)
            if len(unpacker.held) > limit:
                return Body(bytes(unpacker.held[:limit]), whole=False, decoded=True)
        # What can't be squeezed grows by a little, and what unpacks to nothing could go on for ever.
        if len(raw) > (limit if unpacker is None or unpacker.fault else 2 * limit):
            return Body(bytes(raw[:limit]), whole=False)
    if unpacker is None:
        return Body(bytes(raw), whole=True)
    if note := unpacker.end():
        return Body(bytes(raw), whole=True, note=note)
    return Body(bytes(unpacker.held), whole=True, decoded=True)


class _Unpacker:
    """Undoes a compression, never further than one byte beyond `limit`. gzip may come in several members (RFC 1952)."""

    def __init__(self, window: int, limit: int) -> None:
        self.held = bytearray()
        self.fault: str | None = None
        self._window = window
        self._limit = limit
        self._member = zlib.decompressobj(window)
        self._begun = False

    def feed(self, chunk: bytes) -> None:
        while chunk and len(self.held) <= self._limit and self.fault is None:
            if self._member.eof:
                self._next_member()
            self._begun = True
            try:
                self.held += self._member.decompress(chunk, self._limit + 1 - len(self.held))
            except zlib.error:
                self.fault = "the compressed body is broken"
            chunk = self._member.unused_data

    def _next_member(self) -> None:
        if self._window == _WINDOW["deflate"]:
            self.fault = "the compressed body goes on after its end"
        self._member = zlib.decompressobj(self._window)

    def end(self) -> str:
        """What is wrong with it, or nothing."""
        if self.fault is None and not self._member.eof and self._begun:
            self.fault = "the compressed body is cut short"
        return self.fault or ""
