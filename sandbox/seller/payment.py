"""Payment by x402 version 2, by the SDK's middleware, and by version 1, which the SDK doesn't sell in.

The same facilitator settles: the authorization and its signature are the same in both versions.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx
from fastapi import FastAPI, Request, Response
from x402 import x402ResourceServer
from x402.http import HTTPFacilitatorClient
from x402.http.middleware.fastapi import payment_middleware
from x402.http.types import HTTPRequestContext, PaymentOption, RouteConfig
from x402.mechanisms.evm.exact import register_exact_evm_server
from x402.schemas import AssetAmount, PaymentPayload, PaymentRequirements

from sandbox.keys import NETWORK, PAY_TO, V1_NAME
from sandbox.seller.shop import PREFIXES, PaymentTerms, Product, Shop, query_pairs
from sandbox.servers import App, Reply, Scope, reply, request_header


class PaidV1:
    """Verify, serve, settle: the order of the SDK's middleware."""

    def __init__(self, shop: Shop, client: HTTPFacilitatorClient) -> None:
        self._shop, self._client = shop, client

    async def answer(self, product: Product, scope: Scope, body: bytes) -> Reply:
        ask = self._shop.terms(product, request_header(scope, "x-payment-token"))
        header = request_header(scope, "x-payment")
        if header is None:
            return self._challenge(ask, scope, "X-PAYMENT header is required")
        payment = decoded(header)
        if not isinstance(payment.get("payload"), dict):
            return self._challenge(ask, scope, "Invalid or malformed payment header")
        if payment.get("scheme") != "exact" or payment.get("network") != V1_NAME:
            return self._challenge(ask, scope, "Unable to find matching payment requirements")
        wanted = _requirements(ask, self._shop.settings.max_timeout)
        try:
            payload = PaymentPayload(x402_version=2, payload=payment["payload"], accepted=wanted)
            verified = await self._client.verify(payload, wanted)
            if not verified.is_valid:
                return self._challenge(ask, scope, verified.invalid_reason or "invalid_payload")
            answer = product.serve(query_pairs(scope), body)
            if answer.status >= 400:
                return answer
            settled = await self._client.settle(payload, wanted)
        except (ValueError, KeyError, TypeError, httpx.HTTPError) as problem:
            return self._challenge(ask, scope, f"unexpected_verify_error: {type(problem).__name__}")
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
            "payTo": PAY_TO,
            "resource": f"{scope['scheme']}://{host}{scope['path']}",
            "description": "",
            "mimeType": "application/json",
            "outputSchema": None,
            "maxTimeoutSeconds": self._shop.settings.max_timeout,
            "extra": ask.extra,
        }
        terms = {"x402Version": 1, "error": error, "accepts": [accepts]}
        return reply(402, json.dumps(terms).encode())


def _requirements(ask: PaymentTerms, max_timeout: int) -> PaymentRequirements:
    return PaymentRequirements(
        scheme="exact",
        network=NETWORK,
        asset=ask.token.address,
        amount=str(ask.amount),
        pay_to=PAY_TO,
        max_timeout_seconds=max_timeout,
        extra=dict(ask.extra),
    )


def decoded(header: str | None) -> dict[str, Any]:
    """The object in a payment header; an empty one where it has none."""
    try:
        payment = json.loads(base64.b64decode(header or "", validate=True))
    except ValueError:
        return {}
    return payment if isinstance(payment, dict) else {}


_PREFIX = next(prefix for prefix, version in PREFIXES.items() if version == 2)
_IDENTIFIER = {
    "payment-identifier": {
        "info": {"required": False},
        "schema": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {
                "required": {"type": "boolean"},
                "id": {"type": "string", "minLength": 16, "maxLength": 128, "pattern": "^[a-zA-Z0-9_-]+$"},
            },
            "required": ["required"],
        },
    }
}


class PaidV2:
    """The middleware, made once the facilitator serves: the SDK calls its /supported at construction."""

    def __init__(self, shop: Shop, client: HTTPFacilitatorClient) -> None:
        self._shop, self._client = shop, client
        self._routes = {
            f"{product.method} {prefix}{product.path}": self._route(product)
            for product in shop.products.values()
            if product.price
            for prefix in ("", _PREFIX)
        }
        self.app: App = self._build()

    def follow_settings(self) -> None:
        """Pass on the world's current settings, which the SDK reads only when the middleware is made."""
        settings = self._shop.settings
        for route in self._routes.values():
            route.extensions = None if settings.payment_identifier == "none" else _IDENTIFIER
            for option in route.accepts if isinstance(route.accepts, list) else [route.accepts]:
                option.max_timeout_seconds = settings.max_timeout

    def _route(self, product: Product) -> RouteConfig:
        def price(context: HTTPRequestContext) -> Any:
            ask = self._shop.terms(product, context.adapter.get_header("x-payment-token"))
            return AssetAmount(amount=str(ask.amount), asset=ask.token.address, extra=ask.extra)

        option = PaymentOption(
            scheme="exact",
            network=NETWORK,
            pay_to=PAY_TO,
            price=price,
            max_timeout_seconds=self._shop.settings.max_timeout,
        )
        return RouteConfig(accepts=option, description=product.name, mime_type="application/json")

    def _build(self) -> App:
        server = x402ResourceServer(self._client)
        register_exact_evm_server(server, NETWORK)
        guard = payment_middleware(self._routes, server)
        app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)

        @app.middleware("http")
        async def paid(request: Request, call_next: Any) -> Response:
            return await guard(request, call_next)

        @app.api_route("/{path:path}", methods=["GET", "POST"])
        async def serve(request: Request) -> Response:
            match = self._shop.find(request.scope)
            if match is None:
                return Response(status_code=404)
            answer = match[0].serve(query_pairs(request.scope), await request.body())
            headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in answer.headers}
            return Response(answer.body, answer.status, headers)

        return app
