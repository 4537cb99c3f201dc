"""Token Metrics' products: the market's endpoints under /v2 and, in their own spelling, under /v3."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import msgspec

from sandbox.market.listings import Unprocessable
from sandbox.market.market import Market
from sandbox.seller.shop import Product, refused
from sandbox.servers import Reply
from sandbox.settings import WorldSettings

_JSON = [(b"content-type", b"application/json; charset=utf-8")]


def products(market: Market, settings: WorldSettings) -> list[Product]:
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
