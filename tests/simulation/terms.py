"""x402 as the simulated seller speaks it: terms in, payments out. Written apart from the payer's own wire code."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from typing import Any

from payer.values.money import Asset
from payer.values.purchase import Delivery
from payer.values.terms import Authorization
from payer.wallet.eip3009 import digest, recover
from payer.wire.addresses import checksum

CHAIN_ID = 31337
ASSET = Asset("USDC", CHAIN_ID, checksum("0x" + "aa" * 20), "USD Coin", "2", 6)
PAYEE = "0x" + "22" * 20
THIEF = "0x" + "66" * 20
BASE_URL = "https://seller.example/v2"
FREE_URL = f"{BASE_URL}/tokens"
CHECKED = 64
V1_NAME = "simchain"


@dataclass(frozen=True, slots=True)
class Presented:
    """A payment header taken apart. `signer` is recovered from the signature, for one nonce in four: it costs more
    than all else the seller does."""

    version: int
    authorization: Authorization
    accepted: str
    signer: str


def b64(document: object) -> str:
    return base64.b64encode(json.dumps(document, separators=(",", ":")).encode()).decode()


@dataclass(frozen=True, slots=True)
class Asking:
    """A seller's terms now, the resource aside."""

    version: int
    amount: int
    timeout: int = 300
    tier: str = ""
    pay_to: str = PAYEE

    def entry(self, url: str) -> dict[str, Any]:
        """Its one offer."""
        extra = {"name": ASSET.eip712_name, "version": ASSET.eip712_version}
        entry: dict[str, Any] = {
            "scheme": "exact",
            "network": V1_NAME if self.version == 1 else f"eip155:{CHAIN_ID}",
            "asset": ASSET.address,
            "payTo": self.pay_to,
            "maxTimeoutSeconds": self.timeout,
            "extra": extra | ({"tier": self.tier} if self.tier else {}),
        }
        if self.version > 1:
            return {**entry, "amount": str(self.amount)}
        described = {"resource": url, "description": "", "mimeType": "application/json"}
        return {**entry, "maxAmountRequired": str(self.amount), **described}


@lru_cache(maxsize=4096)
def asked(asking: Asking, url: str) -> tuple[dict[str, str], bytes]:
    """Headers and body of a 402."""
    entry = asking.entry(url)
    if asking.version == 1:
        return {}, json.dumps({"x402Version": 1, "error": "payment required", "accepts": [entry]}).encode()
    extensions = {"payment-identifier": {"info": {"required": False}, "schema": {}}}
    document = {"x402Version": 2, "resource": {"url": url}, "accepts": [entry], "extensions": extensions}
    return {"payment-required": b64(document)}, b"{}"


@lru_cache(maxsize=4096)
def echo(asking: Asking) -> str:
    """The part that a v2 payment must echo, as `read` gives it."""
    return json.dumps(asking.entry(""), sort_keys=True)


@lru_cache(maxsize=4096)
def date(seconds: int) -> str:
    """A Date header."""
    return formatdate(seconds, usegmt=True)


def receipt(version: int, success: bool, tx_hash: str, reason: str | None = None) -> dict[str, str]:
    """The header a facilitator's word comes back in."""
    document: dict[str, Any] = {"success": success, "transaction": tx_hash, "network": f"eip155:{CHAIN_ID}"}
    if reason is not None:
        document["errorReason"] = reason
    return {"payment-response" if version == 2 else "x-payment-response": b64(document)}


@lru_cache(maxsize=512)
def read(name: str, value: str) -> Presented:
    """Read a payment header, its signature recovered as the token contract would."""
    document = json.loads(base64.b64decode(value))
    stated = document["payload"]["authorization"]
    authorization = Authorization(
        asset=ASSET,
        payer=stated["from"],
        pay_to=stated["to"],
        value=int(stated["value"]),
        valid_after=int(stated["validAfter"]),
        valid_before=int(stated["validBefore"]),
        nonce=stated["nonce"],
    )
    accepted = json.dumps(document["accepted"], sort_keys=True) if name == "payment-signature" else ""
    checked = int(authorization.nonce[2:4], 16) < CHECKED
    signer = recover(digest(authorization), document["payload"]["signature"]) if checked else authorization.payer
    return Presented(2 if accepted else 1, authorization, accepted, signer)


def payment_in(headers: dict[str, str]) -> Presented | None:
    """The payment of a request, None for an unpaid one."""
    for name in ("payment-signature", "x-payment"):
        if name in headers:
            return read(name, headers[name])
    return None


SPOILT = b"<html>spoilt"


def check_body(delivery: Delivery) -> str:
    """Judge a body as a dataset's declaration would."""
    return "not JSON" if delivery.body.startswith(SPOILT) else ""
