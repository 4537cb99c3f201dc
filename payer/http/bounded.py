"""Read headers and bodies up to a limit, so that neither size nor compression can exhaust memory."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterable, Iterable
from dataclasses import dataclass

HEADER_VALUE_LIMIT = 64 * 1024
HEADER_TOTAL_LIMIT = 96 * 1024
HEADER_COUNT_LIMIT = 128
TERMS_HEADER = "payment-required"
PAYMENT_ANSWERS = frozenset({TERMS_HEADER, "payment-response", "x-payment-response"})
"""Headers that are read however many others come before them."""

_WINDOW = {"gzip": 31, "x-gzip": 31, "deflate": 15}


@dataclass(frozen=True, slots=True)
class ReceivedBody:
    """The bytes of a body. `whole` is False when the limit stopped it; `decoded` is True when it was decompressed.

    `note` says why a compressed body was not decompressed; `data` then is as it arrived.
    """

    data: bytes
    whole: bool
    decoded: bool = False
    note: str = ""


def clip_headers(items: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Headers by lower-case name. Repeated ones are joined with ", " (RFC 9110 section 5.2).

    A value over the limit keeps one character more than the limit, so that its reader can tell that it was too long.
    """
    clipped: dict[str, str] = {}
    total = 0
    for count, (name, value) in enumerate(items):
        key = name.lower()
        if (count >= HEADER_COUNT_LIMIT or total > HEADER_TOTAL_LIMIT) and key not in PAYMENT_ANSWERS:
            continue
        text = value if key not in clipped else f"{clipped[key]}, {value}"
        clipped[key] = text[: HEADER_VALUE_LIMIT + 1]
        total += len(name) + min(len(value), HEADER_VALUE_LIMIT)
    return clipped


async def read_body(
    chunks: AsyncIterable[bytes], encoding: str, limit: int, raw: bytearray | None = None
) -> ReceivedBody:
    """Read at most `limit` bytes of a body, decompressing gzip and deflate, which arrive though identity was requested.

    Other encodings, and compressed bodies that are broken or cut short, are kept as they arrived (I4). `raw` receives
    what arrives, for a caller that wants it although the rest never came.
    """
    decompressor = _decompressor(encoding, limit)
    raw = bytearray() if raw is None else raw
    async for chunk in chunks:
        raw += chunk
        if decompressor is not None:
            decompressor.feed(chunk)
            if len(decompressor.held) > limit:
                return ReceivedBody(bytes(decompressor.held[:limit]), whole=False, decoded=True)
        # Incompressible data grows a little, and what decompresses to nothing could go on for ever.
        if len(raw) > (limit if decompressor is None or decompressor.fault else 2 * limit):
            return ReceivedBody(bytes(raw[:limit]), whole=False)
    if decompressor is None:
        return ReceivedBody(bytes(raw), whole=True)
    if note := decompressor.end():
        return ReceivedBody(bytes(raw), whole=True, note=note)
    return ReceivedBody(bytes(decompressor.held), whole=True, decoded=True)


def readable_start(raw: bytes, encoding: str, limit: int) -> bytes:
    """At most `limit` bytes of a body that broke off, decompressed as far as it can be."""
    decompressor = _decompressor(encoding, limit)
    if decompressor is None:
        return raw[:limit]
    decompressor.feed(raw)
    return bytes(decompressor.held[:limit])


def _decompressor(encoding: str, limit: int) -> _Decompressor | None:
    window = _WINDOW.get(encoding.strip().lower())
    return None if window is None else _Decompressor(window, limit)


class _Decompressor:
    """Decompresses up to one byte beyond `limit`. gzip may come in several members (RFC 1952)."""

    def __init__(self, window: int, limit: int) -> None:
        self.held = bytearray()
        self.fault: str | None = None
        self._window = window
        self._limit = limit
        self._member = zlib.decompressobj(window)
        self._begun = False

    def feed(self, chunk: bytes) -> None:
        """Decompress a chunk into `held`; the first error is kept in `fault`."""
        while chunk and len(self.held) <= self._limit and self.fault is None:
            if self._member.eof:
                if self._window == _WINDOW["deflate"]:
                    self.fault = "the compressed body continues after its end"
                self._member = zlib.decompressobj(self._window)
            self._begun = True
            try:
                self.held += self._member.decompress(chunk, self._limit + 1 - len(self.held))
            except zlib.error:
                self.fault = "the compressed body is broken"
            chunk = self._member.unused_data

    def end(self) -> str:
        """The error of the whole body, "" when it is complete."""
        if self.fault is None and not self._member.eof and self._begun:
            self.fault = "the compressed body is cut short"
        return self.fault or ""
