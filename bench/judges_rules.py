"""The rules of `x402-conformance` for clients (C1, C2, C3, R20), played by a seller of our own.

Its package on PyPI lists each rule and what it rests on (`x402conf.spec`); the code that tries them is an npm package,
`x402-conformance-svm`, that the registry here does not have. So the seller below is ours, written after those words.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.keys import NETWORK, PAY_TO, V1_NAME
from sandbox.servers import Receive, Reply, Scope, Send, read_body, reply, request_header, send_reply
from tests.payer.desk import PRICE

_ELSEWHERE = "eip155:4321"
_BODY = b'{"success":true,"message":"","length":0,"data":[]}'
_HANG_SECONDS = 5.0


@dataclass
class Double:
    """A seller that tries one rule. `payments` are the decoded payments, each with the header it came in."""

    token: str
    rule: Rule
    payments: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    challenges: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await read_body(receive)
        for name in ("payment-signature", "x-payment"):
            if (sent := request_header(scope, name)) is not None:
                self.payments.append((name, json.loads(base64.b64decode(sent))))
                if self.rule.hangs and len(self.payments) == 1:
                    await asyncio.sleep(_HANG_SECONDS)
                if self.rule.sells:
                    await send_reply(send, reply(200, _BODY))
                    return
        self.challenges += 1
        await send_reply(send, self._ask(scope))

    def _ask(self, scope: Scope) -> Reply:
        url = f"http://{request_header(scope, 'host')}{scope['path']}"
        offers = [{**self._offer(), **change} for change in self.rule.offers]
        document = {"x402Version": 2, "error": "payment required", "resource": {"url": url}, "accepts": offers}
        header = base64.b64encode(json.dumps(document).encode()).decode()
        body = json.dumps(self._v1(url)).encode() if self.rule.with_v1 else b"{}"
        return reply(402, body, headers=[("payment-required", header)])

    def _offer(self) -> dict[str, Any]:
        return {
            "scheme": "exact",
            "network": NETWORK,
            "amount": str(PRICE),
            "asset": self.token,
            "payTo": PAY_TO,
            "maxTimeoutSeconds": 300,
            "extra": {"name": "USD Coin", "version": "2"},
        }

    def _v1(self, url: str) -> dict[str, Any]:
        offer = {key: value for key, value in self._offer().items() if key != "amount"}
        described = {"resource": url, "description": "", "mimeType": "application/json"}
        entry = {**offer, **described, "network": V1_NAME, "maxAmountRequired": str(PRICE)}
        return {"x402Version": 1, "error": "payment required", "accepts": [entry]}

    @property
    def nonces(self) -> set[str]:
        """The nonces that were signed."""
        return {payment["payload"]["authorization"]["nonce"] for _, payment in self.payments}


Verdict = Callable[[Double, bool], bool]


@dataclass(frozen=True)
class Rule:
    """A rule in our words, what the seller does, and whether a client that ended with or without a body kept it."""

    says: str
    kept: Verdict
    offers: tuple[Mapping[str, object], ...] = ({},)
    with_v1: bool = False
    hangs: bool = False
    sells: bool = True


def _raises(seller: Double, got_body: bool) -> bool:
    return not got_body and seller.challenges > 0


def _its_own_offer(seller: Double, got_body: bool) -> bool:
    signed = {(p["accepted"]["network"], p["payload"]["authorization"]["value"]) for _, p in seller.payments}
    return got_body and signed == {(NETWORK, str(PRICE))}


def _version_2(seller: Double, got_body: bool) -> bool:
    return got_body and {(name, p["x402Version"]) for name, p in seller.payments} == {("payment-signature", 2)}


def _same_payment(seller: Double, _: bool) -> bool:
    ids = [p.get("extensions", {}).get("payment-identifier", {}).get("info", {}).get("id") for _, p in seller.payments]
    return len(seller.nonces) == 1 or (None not in ids and len(set(ids)) == 1)


RULES: dict[str, Rule] = {
    "C1": Rule("a 402 that never ends is an error, not data", _raises, sells=False),
    "C2": Rule(
        "of several offers, one on our network and within our limits",
        _its_own_offer,
        ({"network": _ELSEWHERE, "amount": "1"}, {"amount": str(10**9)}, {}),
    ),
    "C3": Rule("version 2 is paid where the body offers version 1 beside it", _version_2, with_v1=True),
    "R20b": Rule("no answer in time: the retry shows the same payment", _same_payment, hangs=True),
}
