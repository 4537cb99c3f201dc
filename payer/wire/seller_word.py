"""Read what a seller says in an answer to a payment: its receipt, and its own words, to be quoted: bounded, safe for a
terminal, and without secrets (I10).

The receipt is `PAYMENT-RESPONSE` (x402 v2 section 5.3), in v1 `X-PAYMENT-RESPONSE`: evidence, never proof. Sellers send
`success: false` for payments that moved money, and the other way round.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from payer.wire.addresses import is_hash
from payer.wire.strict_json import Malformed, decode_header, optional_text, parse, shown, single_header


@dataclass(frozen=True, slots=True)
class Receipt:
    """A seller's claim. A `malformed` one claims nothing, and `reason` says why it can't be read."""

    success: bool
    transaction: str | None = None
    payer: str | None = None
    network: str | None = None
    reason: str | None = None
    malformed: bool = False


def parse_receipt(headers: Mapping[str, str]) -> Receipt | None:
    """The receipt of an answer of any status, None without one. Never raises: a broken one is `malformed`."""
    try:
        text = single_header(headers, "payment-response")
        text = single_header(headers, "x-payment-response") if text is None else text
        return None if text is None else _receipt(decode_header("PAYMENT-RESPONSE", text))
    except Malformed as why:
        return Receipt(success=False, reason=str(why)[:200], malformed=True)


def _receipt(document: dict[str, Any]) -> Receipt:
    success = document.get("success")
    if type(success) is not bool:
        raise Malformed(f"success is {shown(success)}, not true or false")
    transaction = optional_text(document, "transaction") or None
    if transaction is not None and not is_hash(transaction):
        raise Malformed(f"transaction is {shown(transaction)}, not a hash")
    reason = optional_text(document, "errorReason")
    return Receipt(
        success=success,
        transaction=transaction.lower() if transaction else None,
        payer=optional_text(document, "payer"),
        network=optional_text(document, "network"),
        reason=shown(reason, 200).strip("'\"") if reason else None,
    )


_WORD_LIMIT = 160
_BODY_LIMIT = 64 * 1024
_LONG_RUNS = re.compile(r"[0-9A-Za-z+/=_-]{48,}")
_SPACE = re.compile(r"\s+")
_TITLE = re.compile(rb"<title[^>]*>(.{0,400}?)</title", re.IGNORECASE | re.DOTALL)
_HTML = re.compile(rb"\s*(<!doctype html|<html|<head|<body)", re.IGNORECASE)

INSUFFICIENT_FUNDS = "insufficient_funds"
_ADVICE = {
    INSUFFICIENT_FUNDS: "top the wallet up, then run `tollbook recover`",
    "valid_after": "compare this machine's clock with the seller's: it seems to be ahead (payment.clock_skew_seconds)",
    "valid_before": "compare this machine's clock with the seller's: it seems to be behind, or the seller was slow",
    "nonce_already_used": "run `tollbook recover`: this payment has been taken already, perhaps by an earlier attempt",
    "signature": "compare eip712_name, eip712_version and the asset's address in the policy file with the token's own",
    "recipient_mismatch": "the seller's payee has changed; compare pay_to in the policy file with the seller's terms",
}
"""Advice for a person, by a part of the reason that facilitators give (x402, exact scheme on EVM)."""


def seller_word(status: int, headers: Mapping[str, str], body: bytes, receipt: Receipt | None) -> str:
    """Return why the seller did not deliver, in its own words: the receipt's reason, the challenge's `error`, or the
    start of the body; "" where it says nothing."""
    if receipt is not None and receipt.reason:
        return _safe(receipt.reason)
    error = _challenge_error(headers) if status == 402 else None
    return _safe(error) if error else body_word(body)


def body_word(body: bytes) -> str:
    """Return what a body says: its `error` or `message`, the title of an HTML page, or its first characters."""
    if not body.strip():
        return ""
    if is_html(body):
        title = _TITLE.search(body)
        return "an HTML page" + (f": {_safe(title[1].decode(errors='replace'))}" if title and title[1].strip() else "")
    try:
        document = parse(body, limit=_BODY_LIMIT)
    except Malformed:
        return _safe(body[: 4 * _WORD_LIMIT].decode(errors="replace"))
    if not document:
        return ""
    named = (document.get(name) for name in ("error", "message", "detail")) if isinstance(document, dict) else ()
    said = next((text for text in named if isinstance(text, str) and text.strip()), None)
    return _safe(said if said is not None else body[: 4 * _WORD_LIMIT].decode(errors="replace"))


def is_html(body: bytes) -> bool:
    """True for a web page: the answer of a proxy, a captive portal or an error page, not of an API."""
    return _HTML.match(body) is not None


def advice_for(answers: Iterable[str]) -> str | None:
    """Return what a person can do about the first answer whose reason is known."""
    return next((advice for said in answers for reason, advice in _ADVICE.items() if reason in said.lower()), None)


def _challenge_error(headers: Mapping[str, str]) -> str | None:
    try:
        text = single_header(headers, "payment-required")
        error = None if text is None else decode_header("PAYMENT-REQUIRED", text).get("error")
    except Malformed:
        return None
    return error if isinstance(error, str) and error.strip() else None


def _safe(text: str) -> str:
    """One line without control characters. Long runs may be a signature or a payment that is echoed: they are cut."""
    line = _LONG_RUNS.sub("…", _SPACE.sub(" ", text).strip())
    return shown(line, _WORD_LIMIT).strip("'\"").replace("\\u2026", "…")
