"""From a paid body to its rows: what wraps them, and whether the seller says that it worked."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from enum import StrEnum
from itertools import accumulate
from typing import Any

import msgspec

from sources.model import Dataset

NOT_FOUND = 404
"""At this status "nothing matched": an empty answer, and no reason to pay again."""

DEEPEST = 100
"""Levels of nesting that are read; no seller needs ten."""

_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_NO_BRACKETS = bytes(set(range(256)) - set(_STEPS))
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)


class Envelope(StrEnum):
    """OK: rows, perhaps none. FAILED: the seller says no. MALFORMED: nothing that the declaration describes."""

    OK = "ok"
    FAILED = "failed"
    MALFORMED = "malformed"


def open_body(dataset: Dataset, status: int, body: bytes) -> tuple[Envelope, list[Any], str]:
    """The rows in a body, or why there are none."""
    if status == NOT_FOUND:
        return Envelope.OK, [], "404: nothing matched"
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
    """JSON as sold: some sellers write NaN, which JSON has not; it then stays a float that no cast takes.

    Raises ValueError for what is no JSON, nested beyond reason, or no Unicode.
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
    """How deep brackets go. Decoders recurse on the C stack, which a body of brackets would run off."""
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
    """What the seller's own success test says; a bare list has no such words."""
    for name, wanted in dataset.success.items():
        if not isinstance(document, Mapping) or name not in document:
            continue
        if document[name] != wanted:
            return str(document.get("message") or document.get("error") or f"{name} is {document[name]!r}")[:200]
    return ""


def _rows(dataset: Dataset, document: Any) -> tuple[Envelope, list[Any], str]:
    """A bare list is taken for the rows, wherever they were said to be."""
    if isinstance(document, list):
        return Envelope.OK, document, ""
    found = document
    for name in dataset.rows_path:
        if not isinstance(found, Mapping) or name not in found:
            return Envelope.MALFORMED, [], f"no {'.'.join(dataset.rows_path)} in the answer"
        found = found[name]
    if dataset.keyed_rows and isinstance(found, Mapping):
        return Envelope.OK, [_keyed(dataset.keyed_rows, key, row) for key, row in found.items()], ""
    if found is None:
        return Envelope.OK, [], ""
    if isinstance(found, list):
        return Envelope.OK, found, ""
    if isinstance(found, Mapping):
        return Envelope.OK, [found], ""
    return Envelope.MALFORMED, [], f"{'.'.join(dataset.rows_path) or 'the answer'} is no list of rows"


def _keyed(name: str, key: str, row: Any) -> Any:
    return {name: key, **row} if isinstance(row, Mapping) else row
