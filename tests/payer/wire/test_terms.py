"""Terms of a 402: both versions read strictly, anything else refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from payer.values.errors import QuoteUnacceptable
from payer.wire.strict_json import HEADER_LIMIT
from payer.wire.terms import BODY_LIMIT, OFFER_LIMIT, parse_402
from tests.payer.offers import (
    PAYEE,
    URL,
    USDC,
    answer_of,
    b64,
    challenge_of,
    offer_of,
    v1_answer,
    v1_document,
    v2_answer,
    v2_document,
    v2_offer,
)


def test_v2_terms_are_read_from_the_header_and_the_body_means_nothing() -> None:
    status, headers, _ = v2_answer(v2_document())
    challenge = parse_402(status, headers, b"\xff not json \x00")
    assert (challenge.version, len(challenge.offers)) == (2, 1)
    offer = challenge.offers[0]
    assert (offer.amount, offer.pay_to, offer.asset, offer.max_timeout) == (20000, PAYEE, USDC, 60)
    assert challenge.resource_url == URL


def test_v1_terms_are_read_from_the_body() -> None:
    challenge = challenge_of(1)
    assert (challenge.version, challenge.offers[0].amount, challenge.offers[0].resource) == (1, 20000, URL)


def test_v1_terms_in_the_header_are_read_as_v1() -> None:
    """As both official clients do: the version is the document's, wherever it stands."""
    challenge = parse_402(402, {"payment-required": b64(v1_document())}, b"{}")
    assert (challenge.version, challenge.offers[0].amount) == (1, 20000)


RESOURCES = [
    pytest.param({"url": URL, "x": [1]}, URL, id="an object"),
    pytest.param(URL, URL, id="a bare text"),
    pytest.param("/v2/tm-grade", "/v2/tm-grade", id="relative"),
    pytest.param({"url": "{origin}/v2/{name}"}, "{origin}/v2/{name}", id="a template"),
    pytest.param({"description": "grades"}, None, id="no URL"),
    pytest.param({"url": 7}, None, id="a URL that is no text"),
    pytest.param([URL], None, id="a list"),
]


@pytest.mark.parametrize(("resource", "url"), RESOURCES)
def test_a_resource_of_any_form_is_kept_as_evidence(resource: object, url: str | None) -> None:
    challenge = challenge_of(2, resource=resource)
    assert (json.loads(challenge.resource), challenge.resource_url) == (resource, url)
    offer = challenge_of(1, offer_of(1, resource=resource)).offers[0]
    assert (json.loads(offer.accepted)["resource"], offer.resource) == (resource, url)


def test_a_resource_that_only_the_body_names_is_kept_too() -> None:
    _, headers, _ = v2_answer(v2_document(resource=None))
    body = json.dumps({"resource": {"url": URL}}).encode()
    assert parse_402(402, headers, body).resource_url == URL
    assert parse_402(402, headers, b"[]").resource == "{}"


def test_a_body_that_was_cut_says_so() -> None:
    with pytest.raises(QuoteUnacceptable, match=r"longer than 9 bytes, and was cut there"):
        parse_402(402, {}, b'{"x402Ver', cut=True)
    assert parse_402(402, {"payment-required": b64(v2_document())}, b'{"x402Ver', cut=True).version == 2


@pytest.mark.parametrize("name", ["payment-required", "PAYMENT-REQUIRED", "Payment-Required"])
def test_header_names_are_read_in_any_case(name: str) -> None:
    assert parse_402(402, {name: b64(v2_document())}, b"").version == 2


@pytest.mark.parametrize("status", [200, 401, 403, 429, 500, 503])
def test_only_a_402_carries_terms(status: int) -> None:
    _, headers, body = v2_answer(v2_document())
    with pytest.raises(QuoteUnacceptable, match="status"):
        parse_402(status, headers, body)


def test_an_unreadable_offer_is_named_beside_a_good_one() -> None:
    challenge = challenge_of(2, v2_offer(amount=20000), v2_offer())
    assert len(challenge.offers) == 1
    assert challenge.unreadable == ("accepts[0]: amount is 20000; a price is a string of decimal digits from 1 up, "
                                    "such as '20000'",)  # fmt: skip


AMOUNTS = [
    pytest.param(20000, id="an integer"),
    pytest.param(0.02, id="a float"),
    pytest.param("0", id="zero"),
    pytest.param("-20000", id="negative"),
    pytest.param("+20000", id="signed"),
    pytest.param("020000", id="leading zero"),
    pytest.param("2e4", id="exponent"),
    pytest.param("20000.0", id="decimal point"),
    pytest.param(" 20000", id="space"),
    pytest.param("20000\n", id="newline"),
    pytest.param("２００００", id="full-width digits"),
    pytest.param("٢٠٠٠٠", id="arabic digits"),
    pytest.param("0x4e20", id="hexadecimal"),
    pytest.param("20_000", id="underscore"),
    pytest.param("", id="empty"),
    pytest.param(True, id="a boolean"),
    pytest.param(["20000"], id="a list"),
    pytest.param(str(2**256), id="above uint256"),
    pytest.param("9" * 79, id="79 digits"),
    pytest.param("1" * 5000, id="5000 digits"),
]


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("amount", AMOUNTS)
def test_a_price_is_a_plain_string_of_digits_inside_uint256(version: int, amount: object) -> None:
    with pytest.raises(QuoteUnacceptable, match=r"amount|maxAmountRequired"):
        challenge_of(version, offer_of(version, amount=amount))


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[(field, value) for field in ("scheme", "network", "asset", "payTo") for value in (None, "", 7, ["x"], {})],
        *[("maxTimeoutSeconds", value) for value in (None, "60", 60.0, True, [60])],
        *[("extra", value) for value in ("x", 7, ["x"])],
    ],
)
def test_a_field_of_the_wrong_type_makes_no_offer(version: int, field: str, value: object) -> None:
    with pytest.raises(QuoteUnacceptable, match=field):
        challenge_of(version, offer_of(version, **{field: value}))


def two_prices(version: int) -> tuple[int, dict[str, str], bytes]:
    other = "amount" if version == 1 else "maxAmountRequired"
    return answer_of(version, {**offer_of(version), other: "1"})


V2 = v2_document()
BROKEN: list[Any] = [
    pytest.param(two_prices(1), "one price", id="v1 with a second price under v2's name"),
    pytest.param(two_prices(2), "one price", id="v2 with a second price under v1's name"),
    pytest.param(v1_answer(v2_document()), "PAYMENT-REQUIRED header", id="v2 terms in the body"),
    pytest.param(v2_answer({**V2, "x402Version": 3}), "x402Version 3", id="version 3"),
    pytest.param(v2_answer({**V2, "x402Version": 2.0}), "x402Version", id="version 2.0"),
    pytest.param(v2_answer({**V2, "x402Version": "2"}), "x402Version", id="version as text"),
    pytest.param(v1_answer(v1_document(x402Version=None)), "no x402Version", id="no version"),
    pytest.param(v1_answer({**v1_document(), "x402Version": True}), "x402Version", id="version true"),
    pytest.param(v1_answer(b""), "JSON", id="empty body"),
    pytest.param(v1_answer(b"{}"), "x402Version", id="empty object"),
    pytest.param(v1_answer(b"[1]"), "not a JSON object", id="a list"),
    pytest.param(v1_answer(b"<html>402</html>"), "JSON", id="html"),
    pytest.param(v1_answer(v1_document(accepts=None)), "accepts", id="no accepts"),
    pytest.param(v1_answer({**v1_document(), "accepts": []}), "accepts", id="no offers"),
    pytest.param(v1_answer({**v1_document(), "accepts": {"0": offer_of(1)}}), "accepts", id="accepts an object"),
    pytest.param(answer_of(2, *[v2_offer()] * (OFFER_LIMIT + 1)), "more than", id="too many offers"),
    pytest.param(answer_of(2, *["x"]), "must be an object", id="an offer that is text"),
    pytest.param(v2_answer({**V2, "extensions": ["x"]}), "extensions", id="extensions a list"),
    pytest.param(v2_answer({**V2, "error": {"x": 1}}), "error", id="error an object"),
    pytest.param((402, {"payment-required": ""}, b""), "JSON", id="empty header"),
    pytest.param((402, {"payment-required": "e30"}, b""), "base64", id="base64 without padding"),
    pytest.param((402, {"payment-required": b64(V2) + "\n"}, b""), "base64", id="base64 with newline"),
    pytest.param((402, {"payment-required": "~" + b64(V2)}, b""), "base64", id="not the alphabet"),
    pytest.param((402, {"payment-required": "e31="}, b""), "canonical|base64", id="stray bits in base64"),
    pytest.param((402, {"payment-required": b64(V2) + ", " + b64(V2)}, b""), "base64", id="header twice, joined"),
    pytest.param(
        (402, {"payment-required": b64(V2), "PAYMENT-REQUIRED": b64(V2)}, b""), "twice", id="header twice, apart"
    ),
    pytest.param((402, {"payment-required": "é" * 8}, b""), "base64", id="header not ASCII"),
    pytest.param(
        (402, {"payment-required": b64({**V2, "pad": "x" * HEADER_LIMIT})}, b""), "longer than", id="huge header"
    ),
    pytest.param(v1_answer({**v1_document(), "pad": "x" * BODY_LIMIT}), "longer than", id="huge body"),
    pytest.param(v2_answer(json.dumps(V2).encode("utf-16")), "UTF-8|JSON", id="utf-16"),
    pytest.param(v2_answer(b"\xef\xbb\xbf" + json.dumps(V2).encode()), "JSON", id="byte order mark"),
    pytest.param(v2_answer(json.dumps(V2).encode() + b" x"), "JSON", id="text after the document"),
    pytest.param(
        v2_answer(json.dumps(V2).replace('"payTo"', '"payTo": "0x00", "payTo"').encode()), "twice", id="duplicate payTo"
    ),
    pytest.param(v1_answer(b'{"x402Version":1,"x402Version":1,"accepts":[]}'), "twice", id="duplicate version"),
    pytest.param(v1_answer(b'{"x402Version":1,"accepts":[],"a":NaN}'), "NaN", id="NaN"),
    pytest.param(v1_answer(b'{"x402Version":1,"accepts":[],"a":-Infinity}'), "Infinity", id="infinity"),
    pytest.param(v1_answer(b'{"x402Version":1,"accepts":[],"a":1e999}'), "too large", id="infinite exponent"),
    pytest.param(v1_answer(b'{"x402Version":1,"a":' + b"9" * 5000 + b"}"), "JSON", id="5000-digit number"),
    pytest.param(v1_answer(b"[" * 40 + b"]" * 40), "deeper", id="40 levels"),
    pytest.param(v1_answer(b"[" * 30000 + b"]" * 30000), "deeper", id="30000 levels"),
    pytest.param(v1_answer(b'{"a":' * 10000 + b"1" + b"}" * 10000), "deeper", id="10000 objects"),
]


@pytest.mark.parametrize(("answer", "why"), BROKEN)
def test_terms_that_are_not_strictly_terms_are_refused(answer: tuple[int, dict[str, str], bytes], why: str) -> None:
    with pytest.raises(QuoteUnacceptable, match=why) as caught:
        parse_402(*answer)
    assert len(caught.value.what) < 700
    assert caught.value.what.isprintable()


@pytest.mark.parametrize("version", [1, 2])
def test_a_sellers_words_reach_a_message_without_control_characters(version: int) -> None:
    """A terminal must not obey a seller."""
    with pytest.raises(QuoteUnacceptable) as caught:
        challenge_of(version, offer_of(version, amount="\x1b[2J\r\n\u202e" + "x" * 5000))
    assert caught.value.what.isprintable()
    assert "\u202e" not in caught.value.what
    assert len(caught.value.what) < 400
