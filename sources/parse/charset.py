"""The text of a body as UTF-8, whatever it was written in: byte order marks, UTF-16 and UTF-32, a declared charset.

RFC 8259 section 8.1 demands UTF-8 of JSON. Bytes that are UTF-8 are read as such, whatever the content type says;
others by the charset that it declares (RFC 9110 section 8.3.2).
"""

from __future__ import annotations

import codecs
import json
import re

_DECLARED = re.compile(r"""charset\s*=\s*["']?([A-Za-z0-9._:+-]{1,40})""", re.IGNORECASE)
_NO_CHARSETS = frozenset(
    {"unicode_escape", "raw_unicode_escape", "idna", "punycode", "utf-7", "undefined", "mbcs", "oem"}
)
"""Codecs of Python that no seller's text is in: escapes, host names."""

_BY_ESCAPES = ("iso2022", "hz")
"""Charsets whose bytes are all ASCII: only the content type tells them from UTF-8."""


def as_utf8(body: bytes, content_type: str = "") -> tuple[bytes, tuple[str, ...]]:
    """Return the body's text in UTF-8 and notes on how it was read; the body itself where it is plain UTF-8.

    Bytes that no charset explains become U+FFFD. Never raises.
    """
    if body.startswith(codecs.BOM_UTF8):
        body = body[len(codecs.BOM_UTF8) :]
    if body.isascii() and 0 not in body[:4] and b"\x1b" not in body and b"~{" not in body:
        return body, ()
    declared = declared_charset(content_type)
    detected = json.detect_encoding(body)
    if not detected.startswith("utf-8"):
        return _read(body, detected, f"text in {detected.upper()}")
    if declared.startswith(_BY_ESCAPES):
        return _read(body, declared, f"text in {declared}, as declared")
    try:
        body.decode()
    except UnicodeDecodeError:
        return _other(body, declared)
    differs = declared not in ("", "utf-8", "ascii") and not body.isascii()
    return body, (f"text in UTF-8, though declared {declared}",) if differs else ()


def declared_charset(content_type: str) -> str:
    """The charset of a content type, by Python's name for it; "" for none, or one that is unknown."""
    named = _DECLARED.search(content_type)
    try:
        name = codecs.lookup(named[1]).name if named else ""
    except (LookupError, ValueError):
        return ""
    return "" if name in _NO_CHARSETS else name


def _other(body: bytes, declared: str) -> tuple[bytes, tuple[str, ...]]:
    """Read what is not UTF-8 by its declared charset, or with U+FFFD for each byte that can't be read."""
    if declared not in ("", "utf-8", "ascii"):
        try:
            return body.decode(declared).encode("utf-8", "replace"), (f"text in {declared}, as declared",)
        except (LookupError, ValueError):
            pass
    return _read(body, "utf-8", "bytes that are no UTF-8 became U+FFFD")


def _read(body: bytes, charset: str, note: str) -> tuple[bytes, tuple[str, ...]]:
    try:
        text = body.decode(charset, "replace")
    except (LookupError, ValueError):
        return body, ()
    lost = "" if charset == "utf-8" or "\ufffd" not in text else ", with bytes that became U+FFFD"
    return text.encode("utf-8", "replace"), (f"{note}{lost}",)
