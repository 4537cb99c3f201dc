"""The seller: faults, Token Metrics' headers, the request rate, payment by x402 version 1 or 2, and resends."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import deque
from dataclasses import dataclass

from x402.http import FacilitatorConfig, HTTPFacilitatorClient

from sandbox.faults import Faults, InjectedFault
from sandbox.seller.fault_player import ConnectionBroken, FaultPlayer
from sandbox.seller.payment import PaidV1, PaidV2, decoded
from sandbox.seller.shop import Product, Shop, query_pairs, refused
from sandbox.servers import Receive, Reply, Scope, Send, capture, read_body, replay, request_header
from sandbox.settings import WorldSettings

PAYMENT_HEADERS = ("payment-signature", "x-payment")


@dataclass(slots=True)
class Visit:
    """One request as the seller got it.

    `nonce` is that of its authorization, if it carried one; `status` that of the honest answer, None until it is made.
    """

    at: float
    method: str
    path: str
    query: str
    leg: str
    nonce: str | None
    faults: tuple[str, ...]
    status: int | None = None


class Bucket:
    """Limits requests to a steady rate with bursts."""

    def __init__(self, settings: WorldSettings) -> None:
        self._settings, self._level, self._at = settings, 0.0, time.monotonic()

    def wait(self) -> float:
        """Count one request and return 0, or return the seconds until one is allowed."""
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
    def __init__(self, shop: Shop, faults: Faults, settings: WorldSettings, facilitator_url: str) -> None:
        self._shop, self._faults, self._settings = shop, faults, settings
        self._facilitator = HTTPFacilitatorClient(
            FacilitatorConfig(url=facilitator_url, timeout=settings.facilitator_timeout)
        )
        self._v1 = PaidV1(shop, self._facilitator)
        self._v2: PaidV2 | None = None
        self._bucket = Bucket(settings)
        self._served: dict[str, Reply] = {}
        self._identified: dict[str, tuple[str, Reply]] = {}
        self.visits: deque[Visit] = deque(maxlen=50_000)

    def open(self) -> None:
        """Make the SDK's middleware; the facilitator must be serving."""
        self._v2 = PaidV2(self._shop, self._facilitator)

    async def close(self) -> None:
        await self._facilitator.aclose()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(receive)
        payment = next((value for name in PAYMENT_HEADERS if (value := request_header(scope, name))), None)
        leg = "unpaid" if payment is None else "paid"
        firing = self._faults.take("seller", scope["path"], leg)
        visit = self._noted(scope, leg, payment, firing)
        faults = FaultPlayer(firing, scope, send, lambda asked: self._answer(asked, body))
        if delay := self._settings.latency + faults.delay:
            await asyncio.sleep(delay)
        try:
            answer = await faults.before() or await self._answer(scope, body)
            visit.status = answer.status
            await faults.after(answer)
        except ConnectionBroken:
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

    async def _answer(self, scope: Scope, body: bytes) -> Reply:
        match = self._shop.find(scope)
        if match is None:
            return refused(404, "Not found")
        product, version = match
        if product.seller == "tokenmetrics" and (refusal := _bad_headers(scope)):
            return refusal
        wait = self._bucket.wait()
        if wait:
            later = [("retry-after", str(int(wait) + 1))] if self._settings.retry_after else []
            return refused(429, "Too many requests", later)
        if not product.price:
            return product.serve(query_pairs(scope), body)
        payment = request_header(scope, PAYMENT_HEADERS[0] if version == 2 else PAYMENT_HEADERS[1])
        resend_key = hashlib.sha256(f"{product.key}?{scope['query_string']!r}{payment}".encode() + body).hexdigest()
        if payment and (again := self._again(resend_key, payment)):
            return again
        answer = await self._paid_answer(product, version, scope, body)
        if payment and answer.status == 200:
            self._keep(resend_key, payment, answer)
        return answer

    def _keep(self, resend_key: str, payment: str, answer: Reply) -> None:
        """Keep a paid answer where the settings serve it again."""
        if self._settings.resend == "served":
            self._served[resend_key] = answer
        if self._settings.payment_identifier == "honoured" and (identifier := identifier_of(payment)):
            self._identified[identifier] = (resend_key, answer)

    def _again(self, resend_key: str, payment: str) -> Reply | None:
        """The answer to a request that was paid for before, where the settings serve it again."""
        if self._settings.resend == "served" and resend_key in self._served:
            return self._served[resend_key]
        identifier = identifier_of(payment) if self._settings.payment_identifier == "honoured" else None
        if identifier and identifier in self._identified:
            known, answer = self._identified[identifier]
            return answer if known == resend_key else refused(409, "payment identifier used for another request")
        return None

    async def _paid_answer(self, product: Product, version: int, scope: Scope, body: bytes) -> Reply:
        if version == 1:
            return await self._v1.answer(product, scope, body)
        assert self._v2 is not None
        self._v2.follow_settings()
        return await capture(self._v2.app, scope, replay(body))


def _bad_headers(scope: Scope) -> Reply | None:
    """Refuse a request without Token Metrics' x402 header (401), or with an API key beside it (400)."""
    if (request_header(scope, "x-coinbase-402") or "").lower() != "true":
        return refused(401, "Unauthorized: no API key")
    if request_header(scope, "x-api-key") is not None:
        return refused(400, "Send either x-api-key or x-coinbase-402, not both")
    return None


def nonce_of(header: str | None) -> str | None:
    try:
        nonce = decoded(header)["payload"]["authorization"]["nonce"]
    except (KeyError, TypeError):
        return None
    return nonce if isinstance(nonce, str) else None


def identifier_of(header: str) -> str | None:
    try:
        identifier = decoded(header)["extensions"]["payment-identifier"]["info"]["id"]
    except (KeyError, TypeError):
        return None
    return identifier if isinstance(identifier, str) else None
