"""A buyer without the payer: it requests, signs, sends, and keeps the payment header to present it again."""

from __future__ import annotations

import atexit
import base64
import json
import secrets
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpx
from eth_account import Account

from sandbox.world import Buyer, World

X402 = {"x-coinbase-402": "true"}
_KINDS = {
    "TransferWithAuthorization": [
        {"name": name, "type": kind}
        for name, kind in (
            ("from", "address"),
            ("to", "address"),
            ("value", "uint256"),
            ("validAfter", "uint256"),
            ("validBefore", "uint256"),
            ("nonce", "bytes32"),
        )
    ]
}


@dataclass(frozen=True, slots=True)
class Signed:
    header: dict[str, str]
    authorization: dict[str, str]
    signature: str


def sign(
    world: World,
    key: str,
    to: str,
    value: int,
    *,
    valid_for: int = 120,
    symbol: str = "USDC",
    nonce: str | None = None,
    **domain: Any,
) -> tuple[dict[str, str], str]:
    """An authorization in wire form and its signature."""
    account, now = Account.from_key(key), int(world.clock.time())
    message = {
        "from": account.address,
        "to": to,
        "value": value,
        "validAfter": now - 60,
        "validBefore": now + valid_for,
        "nonce": bytes.fromhex(nonce[2:]) if nonce else secrets.token_bytes(32),
    }
    signed = account.sign_typed_data({**world.tokens[symbol].domain, **domain}, _KINDS, message)
    wire = {name: str(part) for name, part in message.items() if name != "nonce"}
    return wire | {"nonce": "0x" + bytes(message["nonce"]).hex()}, "0x" + bytes(signed.signature).hex()


@cache
def client() -> httpx.Client:
    """One client for all: making one costs more than many a test."""
    client = httpx.Client(timeout=20)
    atexit.register(client.close)
    return client


class ManualBuyer:
    """One buyer at one seller's endpoint."""

    def __init__(self, world: World, buyer: Buyer, url: str | None = None, **headers: str) -> None:
        self.world, self.buyer = world, buyer
        self.url = url or f"{world.seller_url}/trading-signals"
        self.client, self.headers = client(), {**X402, **headers}
        self.params = {"token_id": "3375", "limit": "3"}

    def ask(self) -> httpx.Response:
        return self.client.get(self.url, params=self.params, headers=self.headers)

    def terms(self) -> dict[str, Any]:
        return terms_of(self.ask())

    def sign(self, terms: dict[str, Any] | None = None, **how: Any) -> Signed:
        """Sign what a 402 asked for, in the version in which it asked."""
        asked = terms or self.terms()
        v1 = "maxAmountRequired" in asked
        value = int(asked["maxAmountRequired"] if v1 else asked["amount"])
        authorization, signature = sign(self.world, self.buyer.private_key, asked["payTo"], value, **how)
        payload = {"signature": signature, "authorization": authorization}
        if v1:
            document = {"x402Version": 1, "scheme": "exact", "network": asked["network"], "payload": payload}
            name = "x-payment"
        else:
            document = {"x402Version": 2, "accepted": asked, "payload": payload}
            name = "payment-signature"
        header = base64.b64encode(json.dumps(document).encode()).decode()
        return Signed({name: header}, authorization, signature)

    def send(self, signed: Signed) -> httpx.Response:
        return self.client.get(self.url, params=self.params, headers={**self.headers, **signed.header})

    def transfers(self) -> list[dict[str, Any]]:
        return self.world.transfers(self.buyer.address)


def terms_of(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 402, (answer.status_code, answer.text)
    header = answer.headers.get("payment-required")
    document = json.loads(base64.b64decode(header)) if header else answer.json()
    terms: dict[str, Any] = document["accepts"][0]
    return terms


def resource_of(answer: httpx.Response) -> str:
    header = answer.headers.get("payment-required")
    document = json.loads(base64.b64decode(header)) if header else answer.json()["accepts"][0]
    return str(document["resource"]["url"] if header else document["resource"])


def receipt_of(answer: httpx.Response) -> dict[str, Any] | None:
    header = answer.headers.get("payment-response") or answer.headers.get("x-payment-response")
    return json.loads(base64.b64decode(header)) if header else None
