"""Find the rows in a delivered body, and what the seller says about success and about their number.

Its text is read as UTF-8, whatever it was written in. RFC 8259 section 8.1 demands UTF-8 of JSON: bytes that are UTF-8
are read as such, whatever the content type says; others by their byte order mark, by the charset that is declared (RFC
9110 section 8.3.2), or with U+FFFD.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

import msgspec

from sources.model import Dataset, Layout
from sources.parse.json_text import Ambiguous, Document, read_json

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
    if body.isascii() and 0 not in body[:4] and b"\x1b" not in body and (b"~" not in body or b"~{" not in body):
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


_YES, _NO = frozenset({"true", "1", "yes", "ok", "success"}), frozenset({"false", "0", "no"})


class Envelope(StrEnum):
    """OK: rows, perhaps none. FAILED: the seller reports a failure. MALFORMED: not what the declaration describes."""

    OK = "ok"
    FAILED = "failed"
    MALFORMED = "malformed"


@dataclass(frozen=True, slots=True)
class OpenedBody:
    """The rows of a body, or a message where there are none for a reason. `notes` say what was forgiven in its text.

    `ambiguous`: some row may be. `replaced` is its Document's.
    """

    envelope: Envelope
    rows: list[Any]
    message: str = ""
    notes: tuple[str, ...] = ()
    ambiguous: bool = False
    replaced: bool = False


def opened_body(dataset: Dataset, status: int, content_type: str, body: bytes) -> OpenedBody:
    """Open a body by its dataset's declaration. Never raises."""
    if not 200 <= status < 300:
        return OpenedBody(Envelope.FAILED, [], f"status {status}")
    text, notes = as_utf8(body, content_type)
    try:
        document = read_json(text)
    except ValueError as error:
        return OpenedBody(Envelope.MALFORMED, [], f"not JSON: {error}", notes)
    notes += document.notes
    failure = _failure(dataset, document.value)
    envelope, rows, message = (Envelope.FAILED, [], failure) if failure else _rows(dataset, document)
    ambiguous = document.ambiguous or bool(dataset.keyed_rows)
    return OpenedBody(envelope, rows, message, notes, ambiguous, document.replaced)


def decode(body: bytes, content_type: str = "") -> Any:
    """Decode a body's JSON as `read_json` does, whatever its charset. Raises ValueError."""
    return read_json(as_utf8(body, content_type)[0]).value


def _failure(dataset: Dataset, document: Any) -> str:
    """The failure that the answer reports, by the declared success test; "" for a success or a bare list."""
    for name, wanted in dataset.success.items():
        if not isinstance(document, Mapping) or name not in document:
            continue
        if not _is(wanted, document[name]):
            return str(document.get("message") or document.get("error") or f"{name} is {document[name]!r}")[:200]
    return ""


def _is(wanted: Any, value: Any) -> bool:
    """True when a success field has the declared value, perhaps as text or in another case."""
    if value == wanted:
        return True
    if isinstance(value, (bool, int, str)) and isinstance(wanted, (bool, int, str)):
        word = str(value).strip().casefold()
        if isinstance(wanted, bool):
            return word in (_YES if wanted else _NO)
        return word == str(wanted).casefold()
    return False


def _rows(dataset: Dataset, document: Document) -> tuple[Envelope, list[Any], str]:
    """The rows at the declared path. A bare list counts as the rows, whatever the path."""
    part = document.value
    if isinstance(part, list):
        return Envelope.OK, part, ""
    for name in dataset.rows_path:
        if isinstance(part, Ambiguous):
            return _malformed(f"the answer has {' and '.join(part.names)} twice, with different values")
        if not isinstance(part, Mapping) or name not in part:
            return _malformed(f"no {'.'.join(dataset.rows_path)} in the answer")
        part = part[name]
    if part is None:
        return Envelope.OK, [], ""
    return _laid_out(dataset, part)


def _laid_out(dataset: Dataset, part: Any) -> tuple[Envelope, list[Any], str]:
    """Rows as the declaration lays them out. An object is rows only where the declaration says how to read it."""
    place = ".".join(dataset.rows_path) or "the answer"
    if isinstance(part, list):
        return Envelope.OK, part, ""
    if not isinstance(part, Mapping):
        return _malformed(f"{place} is no list of rows")
    if dataset.keyed_rows:
        if isinstance(part, Ambiguous):
            return _malformed(f"{place} has {' and '.join(part.names)} twice, with different values")
        return Envelope.OK, [_keyed(dataset.keyed_rows, key, row) for key, row in part.items()], ""
    if dataset.layout is Layout.ROW:
        return Envelope.OK, [part], ""
    if dataset.layout is Layout.COLUMNS:
        return _from_columns(place, part)
    return _malformed(f"{place} is one object where a list of rows was due: {_names(part)}")


def _from_columns(place: str, part: Mapping[str, Any]) -> tuple[Envelope, list[Any], str]:
    columns = list(part.values())
    if isinstance(part, Ambiguous) or not all(isinstance(column, list) for column in columns):
        return _malformed(f"{place} is no object of columns")
    if len({len(column) for column in columns}) > 1:
        return _malformed(f"{place} is no table: its columns differ in length")
    return Envelope.OK, [dict(zip(part, values, strict=True)) for values in zip(*columns, strict=True)], ""


def _keyed(name: str, key: str, row: Any) -> Any:
    """A row with its key in the column `name`. A row that names another key is ambiguous."""
    if not isinstance(row, Mapping):
        return row
    if name in row and str(row[name]) != key:
        ambiguous = Ambiguous({**row, name: key})
        ambiguous.names = (name,)
        return ambiguous
    return {name: key, **row} if not isinstance(row, Ambiguous) else row


def _names(part: Mapping[str, Any]) -> str:
    """The first few names of an object, for a message."""
    names = list(part)
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")


def _malformed(message: str) -> tuple[Envelope, list[Any], str]:
    return Envelope.MALFORMED, [], message[:200]


def stated_length(dataset: Dataset, body: bytes) -> int | None:
    """The declared field's value; None where none is declared, or it is no whole number. Never raises."""
    if not dataset.length:
        return None
    try:
        found = _only(dataset.length).decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    value = getattr(found, "value", None)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


@cache
def _only(name: str) -> msgspec.json.Decoder[object]:
    """A decoder that skips everything but one field."""
    kind = msgspec.defstruct("Length", [("value", object, None)], rename={"value": name})
    return msgspec.json.Decoder(kind)
