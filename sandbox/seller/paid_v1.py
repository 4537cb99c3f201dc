"""Payment by x402 version 1, written by hand because the SDK sells in version 2 only.

The same facilitator settles: the authorization and its signature are the same in both versions.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

import httpx
from x402.http import FacilitatorConfig, HTTPFacilitatorClient
from x402.schemas import PaymentPayload, PaymentRequirements

from sandbox.asgi import Reply, Scope, request_header
from sandbox.keys import NETWORK, V1_NAME
from sandbox.seller.shop import PaymentTerms, Product, Shop, query_pairs

_JSON = (b"content-type", b"application/json")


class PaidV1:
    """Verify, serve, settle: the order of the SDK's middleware."""

    def __init__(self, shop: Shop, facilitator_url: str) -> None:
        self._shop = shop
        self._client = HTTPFacilitatorClient(
            FacilitatorConfig(url=facilitator_url, timeout=shop.settings.facilitator_timeout)
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def answer(self, product: Product, scope: Scope, body: bytes) -> Reply:
        ask = self._shop.terms_for(product, scope)
        header = request_header(scope, "x-payment")
        if header is None:
            return self._challenge(ask, scope, "X-PAYMENT header is required")
        payment = _decoded(header)
        if payment is None:
            return self._challenge(ask, scope, "Invalid or malformed payment header")
        if payment.get("scheme") != "exact" or payment.get("network") != V1_NAME:
            return self._challenge(ask, scope, "Unable to find matching payment requirements")
        wanted = _requirements(ask)
        try:
            payload = PaymentPayload(x402_version=2, payload=payment["payload"], accepted=wanted)
            return await self._paid(payload, wanted, ask, product, scope, body)
        except (ValueError, KeyError, TypeError, httpx.HTTPError) as problem:
            return self._challenge(ask, scope, f"unexpected_verify_error: {type(problem).__name__}")

    async def _paid(
        self,
        payload: PaymentPayload,
        wanted: PaymentRequirements,
        ask: PaymentTerms,
        product: Product,
        scope: Scope,
        body: bytes,
    ) -> Reply:
        verified = await self._client.verify(payload, wanted)
        if not verified.is_valid:
            return self._challenge(ask, scope, verified.invalid_reason or "invalid_payload")
        answer = product.serve(query_pairs(scope), body)
        if answer.status >= 400:
            return answer
        settled = await self._client.settle(payload, wanted)
        receipt = settled.model_dump(by_alias=True, exclude_none=True) | {"network": V1_NAME}
        header = base64.b64encode(json.dumps(receipt).encode()).decode()
        if not settled.success:
            refusal = self._challenge(ask, scope, settled.error_reason or "unexpected_settle_error")
            refusal.headers = refusal.with_header("x-payment-response", header)
            return refusal
        answer.headers = answer.with_header("x-payment-response", header)
        return answer

    def _challenge(self, ask: PaymentTerms, scope: Scope, error: str) -> Reply:
        host = request_header(scope, "host") or ""
        accepts = {
            "scheme": "exact",
            "network": V1_NAME,
            "maxAmountRequired": str(ask.amount),
            "asset": ask.token.address,
            "payTo": ask.pay_to,
            "resource": f"{scope['scheme']}://{host}{scope['path']}",
            "description": "",
            "mimeType": "application/json",
            "outputSchema": None,
            "maxTimeoutSeconds": ask.max_timeout,
            "extra": ask.extra,
        }
        terms = {"x402Version": 1, "error": error, "accepts": [accepts]}
        return Reply(402, [_JSON], json.dumps(terms).encode())


def _requirements(ask: PaymentTerms) -> PaymentRequirements:
    return PaymentRequirements(
        scheme="exact",
        network=NETWORK,
        asset=ask.token.address,
        amount=str(ask.amount),
        pay_to=ask.pay_to,
        max_timeout_seconds=ask.max_timeout,
        extra=dict(ask.extra),
    )


def _decoded(header: str) -> dict[str, Any] | None:
    try:
        payment = json.loads(base64.b64decode(header, validate=True))
    except (binascii.Error, ValueError):
        return None
    return payment if isinstance(payment, dict) and isinstance(payment.get("payload"), dict) else None
