"""x402 2.25.0, the official SDK, reads what we write, and we read what it writes."""

from __future__ import annotations

from typing import Any

import pytest
from x402.http.utils import (
    decode_payment_required_header,
    decode_payment_signature_header,
    encode_payment_required_header,
    encode_payment_response_header,
)
from x402.schemas import PaymentRequired, PaymentRequirements, SettleResponse
from x402.schemas.v1 import PaymentPayloadV1, PaymentRequiredV1
from x402.server import x402ResourceServer

from payer.wire.seller_word import Receipt, parse_receipt
from payer.wire.terms import parse_402
from tests.payer.offers import (
    NONCE,
    NOW,
    PAYEE,
    WALLET,
    b64,
    challenge_of,
    header_of,
    judged,
    paid,
    v1_document,
    v2_document,
    v2_offer,
)


def test_its_v2_terms_are_read_alike() -> None:
    theirs = PaymentRequired.model_validate(v2_document(v2_offer(), v2_offer(amount="10000")))
    challenge = parse_402(402, {"PAYMENT-REQUIRED": encode_payment_required_header(theirs)}, b"{}")
    assert [str(offer.amount) for offer in challenge.offers] == [a.amount for a in theirs.accepts]
    for offer, accepts in zip(challenge.offers, theirs.accepts, strict=True):
        assert PaymentRequirements.model_validate_json(offer.accepted) == accepts


def test_its_v1_terms_are_read_alike() -> None:
    theirs = PaymentRequiredV1.model_validate(v1_document())
    body = theirs.model_dump_json(by_alias=True, exclude_none=True).encode()
    offer = parse_402(402, {}, body).offers[0]
    wanted = theirs.accepts[0]
    assert (str(offer.amount), offer.pay_to, offer.resource) == (
        wanted.max_amount_required,
        wanted.pay_to,
        wanted.resource,
    )


@pytest.mark.parametrize("version", [1, 2])
def test_our_payment_is_what_it_would_have_written(version: int) -> None:
    """Decoded by its own models: scheme, network, accepted terms, authorization and signature."""
    terms = judged(challenge_of(version))
    authorization = paid(terms)
    name, value = header_of(terms)
    assert name == {1: "X-PAYMENT", 2: "PAYMENT-SIGNATURE"}[version]
    payload = decode_payment_signature_header(value)
    assert (payload.x402_version, payload.get_scheme()) == (version, "exact")
    assert payload.get_network() == {1: "base", 2: "eip155:8453"}[version]
    assert isinstance(payload, PaymentPayloadV1) == (version == 1)
    assert payload.payload["signature"] == WALLET.sign(authorization)
    assert payload.payload["authorization"] == {
        "from": WALLET.address,
        "to": PAYEE,
        "value": "20000",
        "validAfter": str(int(NOW.timestamp()) - 600),
        "validBefore": str(int(NOW.timestamp()) + 60),
        "nonce": NONCE,
    }


@pytest.mark.parametrize("extra", [{}, {"extra": {"name": "USD Coin", "version": "2", "note": {"deep": [1.5]}}}])
def test_its_server_finds_the_offer_that_we_echo(extra: dict[str, Any]) -> None:
    terms = judged(challenge_of(2, v2_offer(network="eip155:1"), v2_offer(**extra)))
    payload = decode_payment_signature_header(header_of(terms)[1])
    available = [PaymentRequirements.model_validate(v2_offer(**extra))]
    assert x402ResourceServer().find_matching_requirements(available, payload) == available[0]


def test_its_server_sees_a_moved_price() -> None:
    payload = decode_payment_signature_header(header_of(judged(challenge_of(2)))[1])
    moved = [PaymentRequirements.model_validate(v2_offer(amount="20001"))]
    assert x402ResourceServer().find_matching_requirements(moved, payload) is None


def test_its_client_side_decoder_agrees_about_every_field() -> None:
    header = b64(v2_document())
    theirs, ours = decode_payment_required_header(header), parse_402(402, {"payment-required": header}, b"")
    assert isinstance(theirs, PaymentRequired)
    assert theirs.resource is not None
    assert (theirs.resource.url, theirs.error) == (ours.resource_url, ours.error)


def test_its_receipts_are_read_alike() -> None:
    sent = SettleResponse(
        success=True, payer=WALLET.address, transaction="0x" + "Ab" * 32, network="eip155:8453", amount="20000"
    )
    assert parse_receipt({"PAYMENT-RESPONSE": encode_payment_response_header(sent)}) == Receipt(
        success=True, transaction="0x" + "ab" * 32, payer=WALLET.address, network="eip155:8453"
    )
