"""Base64 JSON in HTTP headers, which is how x402 v2 carries terms, payments and receipts over HTTP."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from payer.wire import strict_json
from payer.wire.strict_json import Malformed

HEADER_LIMIT = 64 * 1024


def single_header(headers: Mapping[str, str], name: str) -> str | None:
    """The value of a header in any case, None without one. Raises Malformed when it occurs twice."""
    values = [value for key, value in headers.items() if key.lower() == name]
    if len(values) > 1:
        raise Malformed(f"the header {name.upper()} occurs twice")
    return values[0] if values else None


def decode_header(name: str, text: str) -> dict[str, Any]:
    """Decode a header's JSON object. Raises Malformed unless its base64 is canonical, padded and bounded."""
    if len(text) > HEADER_LIMIT:
        raise Malformed(f"the header {name} is longer than {HEADER_LIMIT} bytes, and was cut there")
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Malformed(f"the header {name} is not base64") from None
    if base64.b64encode(raw).decode("ascii") != text:
        raise Malformed(f"the header {name} is not canonical base64")
    return json_object(f"the header {name}", raw, HEADER_LIMIT)


def json_object(where: str, raw: bytes, limit: int) -> dict[str, Any]:
    """Parse one strict JSON object. Raises Malformed whose message begins with `where`."""
    try:
        value = strict_json.parse(raw, limit=limit)
    except Malformed as why:
        raise Malformed(f"{where}: {why}") from None
    if not isinstance(value, dict):
        raise Malformed(f"{where} is not a JSON object")
    return value
