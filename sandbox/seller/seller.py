"""The seller: the door (faults, headers, rate), the counter (x402 version 1 or 2), and the shelf (a resend)."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import json
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from sandbox.asgi import Receive, Reply, Scope, Send, capture, read_body, replay, request_header
from sandbox.faults import Faults, InjectedFault
from sandbox.seller.mischief import Broken, Mischief
from sandbox.seller.paid_v1 import PaidV1
from sandbox.seller.paid_v2 import PaidV2
from sandbox.seller.shop import Product, Shop, query_pairs, refused
from sandbox.settings import WorldSettings

PAYMENT_HEADERS = ("payment-signature", "x-payment")
RECEIPT_HEADERS = ("payment-response", "x-payment-response")


@dataclass(slots=True)
class Visit:
    """One request as the seller saw it, noted when it came. `nonce` is the authorization's, when it carried one;
    `status` that of the honest answer, None until there is one."""

    at: float
    method: str
    path: str
    query: str
    leg: str
    nonce: str | None
    faults: tuple[str, ...]
    status: int | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Bucket:
    """Requests allowed by a steady rate with a burst on top."""

    def __init__(self, settings: WorldSettings) -> None:
        self._settings, self._level, self._at = settings, 0.0, time.monotonic()

    def wait(self) -> float:
        """0 and one request counted, or the seconds until one is allowed."""
        rate = self._settings.rate
        if not rate:
            return 0.0
        now = time.monotonic()
        self._level = max(0.0, self._level - (now - self._at) * rate)
        self._at = now
        if self._level + 1 > self._settings.burst:
            return (self._level + 1 - self._settings.burst) / rate
        self._level += 1
        return 0.0


class SellerApp:
    def __init__(
        self, shop: Shop, faults: Faults, settings: WorldSettings, v1: PaidV1, v2: Callable[[], PaidV2]
    ) -> None:
        self._shop, self._faults, self._settings = shop, faults, settings
        self._v1, self._make_v2 = v1, v2
        self._v2: PaidV2 | None = None
        self._bucket = Bucket(settings)
        self._served: dict[str, Reply] = {}
        self._identified: dict[str, tuple[str, Reply]] = {}
        self.visits: deque[Visit] = deque(maxlen=50_000)

    def open(self) -> None:
        """Make the SDK's middleware; needs the facilitator's answer."""
        self._v2 = self._make_v2()

    async def close(self) -> None:
        await self._v1.close()
        if self._v2 is not None:
            await self._v2.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(receive)
        payment = next((value for name in PAYMENT_HEADERS if (value := request_header(scope, name))), None)
        leg = "unpaid" if payment is None else "paid"
        firing = self._faults.take("seller", scope["path"], leg)
        visit = self._noted(scope, leg, payment, firing)
        mischief = Mischief(firing, scope, send, lambda asked: self._answer(asked, body))
        if delay := self._settings.latency + mischief.delay:
            await asyncio.sleep(delay)
        try:
            answer = await mischief.before() or await self._answer(scope, body)
            visit.status = answer.status
            await mischief.after(answer)
        except Broken:
            return

    def _noted(self, scope: Scope, leg: str, payment: str | None, firing: list[InjectedFault]) -> Visit:
        visit = Visit(
            at=time.time(),
            method=scope["method"],
            path=scope["path"],
            query=scope["query_string"].decode("latin-1"),
            leg=leg,
            nonce=nonce_of(payment),
            faults=tuple(fault.name for fault in firing),
        )
        self.visits.append(visit)
        return visit

    # -- one honest answer ------------------------------------------------------------------------

    async def _answer(self, scope: Scope, body: bytes) -> Reply:
        found = self._shop.find(scope)
        if found is None:
            return refused(404, "Not found")
        product, version = found
        if product.seller == "tokenmetrics" and (refusal := _at_the_door(scope)):
            return refusal
        wait = self._bucket.wait()
        if wait:
            later = [(b"retry-after", str(int(wait) + 1).encode())] if self._settings.retry_after else []
            return refused(429, "Too many requests", later)
        if not product.price:
            return product.serve(query_pairs(scope), body)
        payment = request_header(scope, PAYMENT_HEADERS[0] if version == 2 else PAYMENT_HEADERS[1])
        shelf = hashlib.sha256(f"{product.key}?{scope['query_string']!r}{payment}".encode() + body).hexdigest()
        if payment and (again := self._again(shelf, payment)):
            return again
        answer = await self._counter(product, version, scope, body)
        if payment and answer.status == 200:
            self._keep(shelf, payment, answer)
        return answer

    def _keep(self, shelf: str, payment: str, answer: Reply) -> None:
        """Remember what was paid for, where the settings may ask for it again."""
        if self._settings.resend == "served":
            self._served[shelf] = answer
        if self._settings.payment_identifier == "honoured" and (identifier := identifier_of(payment)):
            self._identified[identifier] = (shelf, answer)

    def _again(self, shelf: str, payment: str) -> Reply | None:
        """An answer that was paid for before, where the settings serve it again."""
        if self._settings.resend == "served" and shelf in self._served:
            return self._served[shelf]
        identifier = identifier_of(payment) if self._settings.payment_identifier == "honoured" else None
        if identifier and identifier in self._identified:
            known, answer = self._identified[identifier]
            return answer if known == shelf else refused(409, "payment identifier used for another request")
        return None

    async def _counter(self, product: Product, version: int, scope: Scope, body: bytes) -> Reply:
        if version == 1:
            return await self._v1.answer(product, scope, body)
        assert self._v2 is not None
        self._v2.follow_settings()
        return await capture(self._v2.app, scope, replay(body))


def _at_the_door(scope: Scope) -> Reply | None:
    """Token Metrics' own headers: without the first a request counts as a key call, with both it contradicts itself."""
    if (request_header(scope, "x-coinbase-402") or "").lower() != "true":
        return refused(401, "Unauthorized: no API key")
    if request_header(scope, "x-api-key") is not None:
        return refused(400, "Send either x-api-key or x-coinbase-402, not both")
    return None


def _payment(header: str | None) -> dict[str, Any]:
    try:
        found = json.loads(base64.b64decode(header or "", validate=True))
    except (binascii.Error, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def nonce_of(header: str | None) -> str | None:
    try:
        nonce = _payment(header)["payload"]["authorization"]["nonce"]
    except (KeyError, TypeError):
        return None
    return nonce if isinstance(nonce, str) else None


def identifier_of(header: str) -> str | None:
    try:
        found = _payment(header)["extensions"]["payment-identifier"]["info"]["id"]
    except (KeyError, TypeError):
        return None
    return found if isinstance(found, str) else None
