"""Find the rows in a delivered body, and what the seller says about success."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from enum import StrEnum
from itertools import accumulate
from typing import Any

import msgspec

from sources.model import Dataset

DEEPEST = 100
"""Levels of nesting that are read; deeper bodies are malformed. No seller needs ten."""

_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_NO_BRACKETS = bytes(set(range(256)) - set(_STEPS))
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)


class Envelope(StrEnum):
    """OK: rows, perhaps none. FAILED: the seller reports a failure. MALFORMED: not what the declaration describes."""

    OK = "ok"
    FAILED = "failed"
    MALFORMED = "malformed"


def open_body(dataset: Dataset, status: int, body: bytes) -> tuple[Envelope, list[Any], str]:
    """The rows in a body, and a message where there are none for a reason. Never raises."""
    if not 200 <= status < 300:
        return Envelope.FAILED, [], f"status {status}"
    try:
        document = decode(body)
    except ValueError as error:
        return Envelope.MALFORMED, [], f"not JSON: {error}"
    failure = _failure(dataset, document)
    if failure:
        return Envelope.FAILED, [], failure
    return _rows(dataset, document)


def decode(body: bytes) -> Any:
    """Decode JSON, also with NaN, Infinity or a byte order mark, which some sellers write and RFC 8259 forbids.

    NaN and Infinity stay floats that no cast takes. Raises ValueError for anything else that is no JSON, for nesting
    deeper than DEEPEST, and for invalid Unicode.
    """
    if _depth(body) > DEEPEST and _depth(_STRINGS.sub(b"", body)) > DEEPEST:
        raise ValueError(f"nested more than {DEEPEST} deep")
    try:
        return msgspec.json.decode(body)
    except RecursionError as error:
        raise ValueError(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if b"NaN" not in body and b"Infinity" not in body and not body.startswith(b"\xef\xbb\xbf"):
            raise ValueError(str(error)) from None
    return _leniently(body)


def _depth(text: bytes) -> int:
    """Depth of nested brackets. Decoders recurse on the C stack, which a body of brackets would overflow."""
    brackets = text.translate(None, _NO_BRACKETS)
    return max(accumulate(map(_STEPS.__getitem__, brackets)), default=0)


def _leniently(body: bytes) -> Any:
    try:
        document = json.loads(body.decode("utf-8-sig"))
        json.dumps(document, ensure_ascii=False).encode()
    except RecursionError as error:
        raise ValueError(str(error)) from None
    return document


def _failure(dataset: Dataset, document: Any) -> str:
    """The failure that the answer reports, by the declared success test; "" for a success or a bare list."""
    for name, wanted in dataset.success.items():
        if not isinstance(document, Mapping) or name not in document:
            continue
        if document[name] != wanted:
            return str(document.get("message") or document.get("error") or f"{name} is {document[name]!r}")[:200]
    return ""


def _rows(dataset: Dataset, document: Any) -> tuple[Envelope, list[Any], str]:
    """The rows at the declared path. A bare list counts as the rows, whatever the path."""
    if isinstance(document, list):
        return Envelope.OK, document, ""
    part = document
    for name in dataset.rows_path:
        if not isinstance(part, Mapping) or name not in part:
            return Envelope.MALFORMED, [], f"no {'.'.join(dataset.rows_path)} in the answer"
        part = part[name]
    if dataset.keyed_rows and isinstance(part, Mapping):
        return Envelope.OK, [_keyed(dataset.keyed_rows, key, row) for key, row in part.items()], ""
    if part is None:
        return Envelope.OK, [], ""
    if isinstance(part, list):
        return Envelope.OK, part, ""
    if isinstance(part, Mapping):
        return Envelope.OK, [part], ""
    return Envelope.MALFORMED, [], f"{'.'.join(dataset.rows_path) or 'the answer'} is no list of rows"


def _keyed(name: str, key: str, row: Any) -> Any:
    return {name: key, **row} if isinstance(row, Mapping) else row
