"""Payment by x402 version 2: the official SDK's FastAPI middleware in front of the shop."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request, Response
from x402 import x402ResourceServer
from x402.http import FacilitatorConfig, HTTPFacilitatorClient
from x402.http.middleware.fastapi import payment_middleware
from x402.http.types import HTTPRequestContext, PaymentOption, RouteConfig
from x402.mechanisms.evm.exact import register_exact_evm_server
from x402.schemas import AssetAmount

from sandbox.asgi import App
from sandbox.keys import NETWORK, PAY_TO
from sandbox.seller.shop import PREFIXES, Product, Shop, query_pairs

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

    def __init__(self, shop: Shop, facilitator_url: str) -> None:
        self._shop = shop
        self._client = HTTPFacilitatorClient(
            FacilitatorConfig(url=facilitator_url, timeout=shop.settings.facilitator_timeout)
        )
        self._routes = {
            f"{product.method} {prefix}{product.path}": self._route(product)
            for product in shop.products.values()
            if product.price
            for prefix in ("", _PREFIX)
        }
        self.app: App = self._build()

    async def close(self) -> None:
        await self._client.aclose()

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
