"""Sellers' terms on the wire, and the policy that judges them."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from payer.policy.file import parse_policy
from payer.policy.judge import judge
from payer.policy.rules import Policy
from payer.values.errors import QuoteUnacceptable
from payer.values.terms import Authorization, Terms
from payer.wallet.eip3009 import Wallet
from payer.wallet.sign import authorize
from payer.wire.payment import payment_header
from payer.wire.terms import Challenge, parse_402

USDC = "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913"
PAYEE = "0x209693Bc6afc0C5328bA36FaF03C514EF312287C"
POLYGON_USDC = "0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359"
STRANGER = "0x6666666666666666666666666666666666666666"
DOMAIN = {"name": "USD Coin", "version": "2"}
URL = "https://api.tokenmetrics.com/v2/tm-grade"
WALLET = Wallet(b"\x11" * 32)
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
NONCE = "0x" + "ab" * 32

POLICY_TOML = f"""
[network]
chain_id = 8453
v1_name = "base"
rpc_url = "https://mainnet.base.org"
finality = "safe"

[assets.USDC]
address = "{USDC}"
eip712_name = "USD Coin"
eip712_version = "2"
decimals = 6

[caps.USDC]
per_call = "0.10"
per_run = "1.00"
per_flow_day = "2.00"
per_day = "5.00"
per_month = "50.00"
price_drift = "0.25"

[sellers.tokenmetrics]
base_url = "https://api.tokenmetrics.com/v2"
pay_with = "USDC"
pay_to = ["{PAYEE}"]
tokens = [3375, 3306]
"""

FIRST_USE_TOML = POLICY_TOML.replace(f'pay_to = ["{PAYEE}"]', 'pay_to = "first-use"')


def policy(text: str = POLICY_TOML) -> Policy:
    return parse_policy(text)


def v2_offer(**changes: Any) -> dict[str, Any]:
    """A good v2 `accepts` entry with fields changed; a value of None leaves the field out."""
    offer = {
        "scheme": "exact",
        "network": "eip155:8453",
        "amount": "20000",
        "asset": USDC,
        "payTo": PAYEE,
        "maxTimeoutSeconds": 60,
        "extra": {"name": "USD Coin", "version": "2"},
    }
    return _changed(offer, changes)


def v1_offer(**changes: Any) -> dict[str, Any]:
    """A good v1 `accepts` entry, changed likewise."""
    offer = {
        "scheme": "exact",
        "network": "base",
        "maxAmountRequired": "20000",
        "asset": USDC,
        "payTo": PAYEE,
        "resource": URL,
        "description": "",
        "mimeType": "application/json",
        "outputSchema": None,
        "maxTimeoutSeconds": 60,
        "extra": {"name": "USD Coin", "version": "2"},
    }
    return _changed(offer, changes)


def _changed(offer: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**offer, **changes}.items() if name not in changes or value is not None}


def offer_of(version: int, **changes: Any) -> dict[str, Any]:
    """A good offer of either version; `amount` is named as the version names it."""
    if version == 2:
        return v2_offer(**changes)
    if "amount" in changes:
        changes["maxAmountRequired"] = changes.pop("amount")
    return v1_offer(**changes)


def v2_document(*offers: dict[str, Any], **changes: Any) -> dict[str, Any]:
    document = {
        "x402Version": 2,
        "error": "PAYMENT-SIGNATURE header is required",
        "resource": {"url": URL, "description": "grades", "mimeType": "application/json"},
        "accepts": list(offers) or [v2_offer()],
        "extensions": {},
    }
    return _changed(document, changes)


def v1_document(*offers: dict[str, Any], **changes: Any) -> dict[str, Any]:
    document = {"x402Version": 1, "error": "X-PAYMENT header is required", "accepts": list(offers) or [v1_offer()]}
    return _changed(document, changes)


def b64(value: object) -> str:
    """Base64 of a JSON value, or of bytes as they are."""
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.b64encode(raw).decode()


def v2_answer(document: object) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of a v2 402."""
    return 402, {"payment-required": b64(document), "content-type": "application/json"}, b"{}"


def v1_answer(document: object) -> tuple[int, dict[str, str], bytes]:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return 402, {"content-type": "application/json"}, body


def answer_of(version: int, *offers: dict[str, Any], **changes: Any) -> tuple[int, dict[str, str], bytes]:
    """A whole 402 of either version around some offers."""
    if version == 1:
        return v1_answer(v1_document(*offers, **changes))
    return v2_answer(v2_document(*offers, **changes))


def challenge_of(version: int, *offers: dict[str, Any], **changes: Any) -> Challenge:
    return parse_402(*answer_of(version, *offers, **changes))


def judged(challenge: Challenge, rules: Policy | None = None, **changes: Any) -> Terms:
    """The terms that the policy allows, for an ordinary request unless changed."""
    asked: dict[str, Any] = {"request_url": URL, "pinned_pay_to": None, "payer": WALLET.address, **changes}
    seller = asked.pop("seller", "tokenmetrics")
    return judge(policy() if rules is None else rules, seller, challenge, **asked)


def paid(terms: Terms) -> Authorization:
    return authorize(policy(), terms, payer=WALLET.address, nonce=NONCE, now=NOW)


def header_of(terms: Terms, payment_id: str | None = None) -> tuple[str, str]:
    authorization = paid(terms)
    return payment_header(terms, authorization, WALLET.sign(authorization), payment_id=payment_id)


JUDGED = ("seller", "request_url", "pinned_pay_to", "price_limit", "order_cap", "payer")


def refusal(version: int, *offers: dict[str, Any], rules: Policy | None = None, **changes: Any) -> QuoteUnacceptable:
    """The refusal of some offers; `changes` are of the document or of how it is judged."""
    asked = {name: changes.pop(name) for name in tuple(changes) if name in JUDGED}
    with pytest.raises(QuoteUnacceptable) as caught:
        judged(challenge_of(version, *offers, **changes), rules, **asked)
    return caught.value
