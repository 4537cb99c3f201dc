"""Real sellers' 402 answers, as recorded in public (tests/vectors/offers.json): payable ones pass a plain policy."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest

from payer.policy.file import parse_policy
from payer.policy.judge import judge
from payer.policy.rules import Policy
from payer.values.errors import QuoteUnacceptable
from payer.values.terms import Terms
from payer.wallet.sign import authorize
from payer.wire.payment import payment_header
from payer.wire.terms import parse_402
from tests.paths import VECTORS
from tests.payer.offers import NONCE, NOW, WALLET, b64

OFFERS = {offer["id"]: offer for offer in json.loads((VECTORS / "offers.json").read_text())}
CHAINS = {
    8453: ("base", "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913", "USD Coin"),
    84532: ("base-sepolia", "0x036CbD53842c5426634e7929541eC2318f3dCF7e", "USDC"),
}
REASONS = {
    "02": "payTo is ''",
    "14": "network: the seller offers 'eip155:196'; allowed is eip155:8453",
    "28": "the body holds terms of x402 version 2; they belong in the PAYMENT-REQUIRED header",
    "32": "the body has no x402Version",
    "41": "amount: the seller offers 10000 USDC; allowed is at most 1 USDC (caps.USDC.per_call)",
    "53": "maxAmountRequired is None; a price is a string",
}
"""Words of each refusal, by offer."""

TOML = """
[network]
chain_id = {chain}
v1_name = "{v1_name}"
rpc_url = "https://rpc.example"
finality = "safe"

[assets.USDC]
address = "{address}"
eip712_name = "{name}"
eip712_version = "2"
decimals = 6

[caps.USDC]
per_call = "1.00"
per_run = "10.00"
per_flow_day = "10.00"
per_day = "10.00"
per_month = "50.00"

[sellers.seller]
base_url = "{origin}"
pay_with = "USDC"
pay_to = "first-use"
"""


def url_of(offer: Mapping[str, Any]) -> str:
    """The URL requested; what was recorded over plain http stood on the recorder's own machine."""
    host = "https://seller.example" if offer["scheme"] == "https" else "http://127.0.0.1:4021"
    return host + str(offer["path"]) + (f"?{offer['query']}" if offer["query"] else "")


def filled(value: Any, places: Mapping[str, str]) -> Any:
    """A recorded value with its placeholders filled."""
    if isinstance(value, dict) and set(value) == {"base64_json"}:
        return b64(filled(value["base64_json"], places))
    if isinstance(value, dict):
        return {key: filled(entry, places) for key, entry in value.items()}
    if isinstance(value, list):
        return [filled(entry, places) for entry in value]
    if isinstance(value, str):
        for place, text in places.items():
            value = value.replace(place, text)
    return value


def policy_for(offer: Mapping[str, Any]) -> Policy:
    v1_name, address, name = CHAINS[offer["chain"]]
    parts = urlsplit(url_of(offer))
    fields = {"chain": offer["chain"], "v1_name": v1_name, "address": address, "name": name}
    return parse_policy(TOML.format(origin=f"{parts.scheme}://{parts.netloc}", **fields))


def terms_of(offer: Mapping[str, Any], **rules: Any) -> Terms:
    url = url_of(offer)
    parts = urlsplit(url)
    places = {
        "{url}": url,
        "{origin}": f"{parts.scheme}://{parts.netloc}",
        "{path}": parts.path,
        "{http_origin}": f"http://{parts.netloc}",
    }
    body = json.dumps(filled(offer["body"], places)).encode()
    challenge = parse_402(402, filled(offer["headers"], places), body)
    asked = {"request_url": url, "pinned_pay_to": None, "payer": WALLET.address, **rules}
    return judge(policy_for(offer), "seller", challenge, **asked)


def ids(payable: bool) -> list[str]:
    return [name for name, offer in OFFERS.items() if offer["payable"] is payable]


@pytest.mark.parametrize("name", ids(payable=True))
def test_a_payable_offer_passes_a_plain_policy_and_is_signed_for_a_short_time(name: str) -> None:
    offer = OFFERS[name]
    terms, rules = terms_of(offer), policy_for(offer)
    assert terms.asset == rules.assets["USDC"]
    authorization = authorize(rules, terms, payer=WALLET.address, nonce=NONCE, now=NOW)
    assert 0 < authorization.valid_before - NOW.timestamp() <= rules.validity_seconds
    header, value = payment_header(terms, authorization, WALLET.sign(authorization))
    assert (header, bool(value)) == ({1: "X-PAYMENT", 2: "PAYMENT-SIGNATURE"}[terms.version], True)


def test_every_offer_that_nobody_should_pay_has_its_reason_here() -> None:
    assert set(REASONS) == set(ids(payable=False))


@pytest.mark.parametrize("name", ids(payable=False))
def test_an_offer_that_nobody_should_pay_is_refused_with_its_reason(name: str) -> None:
    with pytest.raises(QuoteUnacceptable) as caught:
        terms_of(OFFERS[name])
    assert REASONS[name] in caught.value.what


def test_a_new_payee_in_each_402_passes_first_use_once_and_then_says_what_to_choose() -> None:
    """Offer 63: a deposit address that is made for each payment."""
    with pytest.raises(QuoteUnacceptable) as caught:
        terms_of(OFFERS["63"], pinned_pay_to="0x" + "22" * 20)
    assert 'pay_to = "any"' in caught.value.fix
