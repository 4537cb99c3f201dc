"""A seller's word is quoted: short, on one line, and never with anything that could be spent (I10)."""

from __future__ import annotations

import pytest

from payer.wire.seller_word import Receipt, advice_for, is_html, seller_word
from tests.payer import scripted as s

REASON = "invalid_exact_evm_insufficient_funds"
V1 = b'{"x402Version":1,"error":"insufficient_funds","accepts":[]}'
SIGNATURE = "0x" + "ab" * 65


def challenge(error: object) -> dict[str, str]:
    return {"payment-required": s.encoded({"x402Version": 2, "error": error, "accepts": []})}


@pytest.mark.parametrize(
    ("status", "headers", "body", "receipt", "said"),
    [
        (402, challenge("insufficient_funds"), b"{}", None, "insufficient_funds"),
        (402, challenge("ignored"), b"{}", Receipt(success=False, reason=REASON), REASON),
        (402, {}, V1, None, "insufficient_funds"),
        (402, {"payment-required": "%%%"}, b'{"message":"later"}', None, "later"),
        (402, challenge({"no": "text"}), b"", None, ""),
        (403, {}, b'{"detail":"blocked in your country"}', None, "blocked in your country"),
        (404, {}, b'{"success":false,"message":"No data found"}', None, "No data found"),
        (500, {}, b"upstream\r\n\ttimed   out", None, "upstream timed out"),
        (503, {}, b"<!DOCTYPE html><title>\n Log in </title><p>x", None, "an HTML page: Log in"),
        (502, {}, b"  <html><body>Bad gateway", None, "an HTML page"),
        (500, {}, b"", None, ""),
        (409, {}, b"{}", None, ""),
    ],
    ids=[
        "v2",
        "receipt",
        "v1",
        "broken-header",
        "no-text",
        "403",
        "404",
        "text",
        "portal",
        "html",
        "silent",
        "empty-document",
    ],
)
def test_the_sellers_own_words_are_found_where_each_version_puts_them(
    status: int, headers: dict[str, str], body: bytes, receipt: Receipt | None, said: str
) -> None:
    assert seller_word(status, headers, body, receipt) == said


@pytest.mark.parametrize(
    "body",
    [
        f'{{"error":"bad signature {SIGNATURE}"}}'.encode(),
        f"you sent X-PAYMENT: {s.encoded({'payload': SIGNATURE})}".encode(),
        b"\x1b[31mred\x07\x00 \xff\xfe" * 100,
        b"\xe2\x80\xae" + b"words " * 10_000,
        b'{"message":"' + b"\\u001b]0;title " * 400 + b'"}',
    ],
    ids=["signature", "payment-header", "control-characters", "direction-override", "escaped"],
)
def test_a_hostile_answer_is_bounded_harmless_to_a_terminal_and_quotes_no_secret(body: bytes) -> None:
    said = seller_word(400, {}, body, None)
    assert 0 < len(said) <= 160
    assert all(character.isprintable() for character in said)
    assert "ab" * 20 not in said
    assert s.encoded({"payload": SIGNATURE})[:40] not in said


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("402: insufficient_funds", "top the wallet up"),
        ("402: invalid_exact_evm_payload_authorization_valid_after", "clock"),
        ("402: invalid_exact_evm_payload_authorization_valid_before", "clock"),
        ("402: invalid_exact_evm_nonce_already_used", "recover"),
        ("402: invalid_exact_evm_payload_signature", "eip712_name"),
        ("402: invalid_exact_evm_payload_recipient_mismatch", "pay_to"),
    ],
)
def test_a_known_reason_comes_with_what_a_person_can_do(said: str, advice: str) -> None:
    found = advice_for(("503: busy", said))
    assert found is not None
    assert advice in found
    assert advice_for(("500: something else",)) is None


def test_only_a_page_is_html() -> None:
    assert not is_html(b'{"html":"<html>"}')
    assert is_html(b"\n<HTML lang=en>")
