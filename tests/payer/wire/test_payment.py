"""The header that pays."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from payer.values.terms import Terms
from payer.wire.payment import payment_header
from tests.payer.offers import (
    URL,
    challenge_of,
    header_of,
    judged,
    paid,
    v2_offer,
)


def decoded(value: str) -> Any:
    return json.loads(base64.b64decode(value))


@pytest.mark.parametrize("version", [1, 2])
def test_the_same_authorization_makes_the_same_bytes_again(version: int) -> None:
    """A resend after a crash is byte-identical although no signature was kept."""
    terms = judged(challenge_of(version))
    stored = Terms(**{name: getattr(terms, name) for name in Terms.__slots__})
    assert header_of(terms, "tb_0123456789abcdef") == header_of(stored, "tb_0123456789abcdef")


def test_the_accepted_offer_is_echoed_as_it_came() -> None:
    offer = {"b": 1, **v2_offer(), "a": {"z": [1, 2.5, None, "é"]}}
    assert decoded(header_of(judged(challenge_of(2, offer)))[1])["accepted"] == offer


def test_declared_extensions_are_echoed() -> None:
    declared = {"bazaar": {"info": {"x": 1.25}}}
    assert decoded(header_of(judged(challenge_of(2, extensions=declared)))[1])["extensions"] == declared


def test_a_payment_identifier_goes_where_it_is_declared() -> None:
    declared = {"payment-identifier": {"info": {"required": True}, "schema": {}}}
    sent = decoded(header_of(judged(challenge_of(2, extensions=declared)), "tb_0123456789abcdef")[1])
    assert sent["extensions"]["payment-identifier"]["info"] == {"required": True, "id": "tb_0123456789abcdef"}


@pytest.mark.parametrize("declared", [{}, {"payment-identifier": True}, {"x": "payment-identifier"}])
def test_a_payment_identifier_goes_nowhere_else(declared: dict[str, Any]) -> None:
    sent = decoded(header_of(judged(challenge_of(2, extensions=declared)), "tb_0123456789abcdef")[1])
    assert sent.get("extensions", {}) == declared


@pytest.mark.parametrize("identifier", ["short", "x" * 129, "with space in it!", "é" * 20])
def test_a_payment_identifier_that_the_extension_forbids_is_a_mistake(identifier: str) -> None:
    terms = judged(challenge_of(2, extensions={"payment-identifier": {"info": {"required": False}}}))
    with pytest.raises(ValueError, match="payment identifier"):
        header_of(terms, identifier)


@pytest.mark.parametrize("change", [{"value": 20001}, {"pay_to": URL}])
def test_an_authorization_for_other_terms_is_a_mistake(change: dict[str, Any]) -> None:
    terms = judged(challenge_of(2))
    with pytest.raises(ValueError, match="not made for these terms"):
        payment_header(terms, replace(paid(terms), **change), "0x00")
