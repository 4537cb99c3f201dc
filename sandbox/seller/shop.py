"""Products by method and path, and the payment terms of each, shared by both x402 versions. Those of Token Metrics: the
market's endpoints under /v2 and, in their own spelling, under /v3.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from urllib.parse import parse_qsl

import msgspec

from sandbox.chain.token import TokenContract
from sandbox.market.listings import Unprocessable
from sandbox.market.market import Market
from sandbox.servers import Reply, Scope, reply
from sandbox.settings import WorldSettings

PREFIXES = {"/x402v1": 1, "/x402v2": 2}
"""Base paths that always speak one x402 version, whatever the setting is."""

Serve = Callable[[Sequence[tuple[str, str]], bytes], Reply]


@dataclass(frozen=True, slots=True)
class Product:
    """One route. `price`: atomic units of the six-decimals token, 0 for free. `version`: None follows the setting."""

    seller: str
    name: str
    method: str
    path: str
    price: int
    serve: Serve
    version: int | None = None

    @property
    def key(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class PaymentTerms:
    """The part of the payment terms that differs between requests, in either x402 version."""

    token: TokenContract
    amount: int

    @property
    def extra(self) -> dict[str, str]:
        return {"name": self.token.spec.eip712_name, "version": self.token.spec.eip712_version}


class Shop:
    def __init__(
        self, products: Sequence[Product], tokens: Mapping[str, TokenContract], settings: WorldSettings
    ) -> None:
        self.products = {product.key: product for product in products}
        self.tokens, self.settings = tokens, settings

    def find(self, scope: Scope) -> tuple[Product, int] | None:
        """The product that a request is for, and the x402 version to answer in."""
        path, version = scope["path"], None
        for prefix, number in PREFIXES.items():
            if path.startswith(prefix + "/"):
                path, version = path[len(prefix) :], number
        product = self.products.get(f"{scope['method']} {path}")
        return None if product is None else (product, version or product.version or self.settings.x402_version)

    def terms(self, product: Product, payment_token: str | None) -> PaymentTerms:
        """The current terms. TMAI is 10 % cheaper; one dollar counts as twenty TMAI."""
        amount_atomic = self.settings.prices.get(product.name, product.price)
        if self.settings.tmai and product.seller == "tokenmetrics" and (payment_token or "").lower() == "tmai":
            return PaymentTerms(self.tokens["TMAI"], amount_atomic * 9 // 10 * 20 * 10**12)
        return PaymentTerms(self.tokens["USDC"], amount_atomic)


def query_pairs(scope: Scope) -> list[tuple[str, str]]:
    return parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)


def refused(status: int, message: str, headers: Sequence[tuple[str, str]] = ()) -> Reply:
    """An error body of Token Metrics."""
    return reply(status, json.dumps({"success": False, "message": message}).encode(), headers=headers)


_JSON = [(b"content-type", b"application/json; charset=utf-8")]


def tokenmetrics_products(market: Market, settings: WorldSettings) -> list[Product]:
    return [
        Product(
            "tokenmetrics",
            endpoint.name,
            "GET",
            f"/v{version}/{endpoint.name}",
            endpoint.price,
            partial(_serve, market, settings, endpoint.name, version),
        )
        for version in (2, 3)
        for endpoint in market.endpoints.values()
    ]


def _serve(
    market: Market, settings: WorldSettings, name: str, version: int, params: Sequence[tuple[str, str]], _body: bytes
) -> Reply:
    try:
        document = market.answer(name, _capped(params, settings.page_rows), version)
    except Unprocessable as problem:
        return refused(problem.status, str(problem))
    if settings.empty == "404" and not document["data"]:
        return refused(404, "No data found")
    return Reply(200, list(_JSON), msgspec.json.encode(document))


def _capped(params: Sequence[tuple[str, str]], most: int | None) -> Sequence[tuple[str, str]]:
    """The parameters of a seller whose pages have `most` rows, though it takes larger limits without a word."""
    if most is None:
        return params
    return [
        (name, str(most) if name == "limit" and value.isdecimal() and int(value) > most else value)
        for name, value in params
    ]
