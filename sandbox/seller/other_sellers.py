"""Five more sellers, small, each with its own shape of request and answer: what a declaration must cope with."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from sandbox.asgi import Reply
from sandbox.clock import WorldClock
from sandbox.market import figures
from sandbox.market.catalogue import HISTORY_START, Token
from sandbox.market.market import Market
from sandbox.market.noise import DAY, HOUR
from sandbox.seller.shop import Product, Serve

PATHS = {
    "heurist": "/heurist",
    "firecrawl": "/firecrawl",
    "coingecko": "/coingecko/api/v3",
    "glassnode": "/glassnode",
    "tavily": "/tavily",
}
"""Where each seller's own paths begin on the sandbox's seller port."""

Pairs = Sequence[tuple[str, str]]
_JSON = (b"content-type", b"application/json")


class Asked(Exception):
    """Raised with the status and message of a request that the seller can't serve."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def products(market: Market, clock: WorldClock) -> list[Product]:
    by_symbol: dict[str, Token] = {}
    for token in reversed(market.catalogue.tokens):
        by_symbol[token.symbol] = token
    by_slug = {token.slug: token for token in market.catalogue.tokens}
    rows: tuple[tuple[str, str, str, int, Callable[[Mapping[str, str], Any], Any]], ...] = (
        ("heurist", "POST", "/x402/agents/TokenResolverAgent/token_search", 10_000, _tokens_found(market, clock)),
        ("firecrawl", "POST", "/v1/x402/search", 10_000, _pages_found),
        ("coingecko", "GET", "/x402/simple/price", 10_000, _prices(by_slug, clock)),
        ("glassnode", "GET", "/v1/metrics/market/price_usd_close", 20_000, _closes(by_symbol, clock)),
        ("tavily", "POST", "/search", 10_000, _hits),
    )
    return [
        Product(
            seller,
            f"{seller}{path}",
            method,
            PATHS[seller] + path,
            price,
            _serve(make),
            1 if seller == "firecrawl" else 2,
        )
        for seller, method, path, price, make in rows
    ]


def _serve(make: Callable[[Mapping[str, str], Any], Any]) -> Serve:
    def serve(params: Pairs, body: bytes) -> Reply:
        try:
            asked = msgspec.json.decode(body) if body else {}
            return Reply(200, [_JSON], msgspec.json.encode(make(dict(params), asked)))
        except Asked as problem:
            return Reply(problem.status, [_JSON], msgspec.json.encode({"error": str(problem)}))
        except (msgspec.DecodeError, ValueError, TypeError, AttributeError):
            return Reply(400, [_JSON], b'{"error":"bad request"}')

    return serve


def _question(asked: Any) -> str:
    question = asked.get("query")
    if not isinstance(question, str) or not question.strip():
        raise Asked(400, "query is required")
    return question.strip()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


# -- Heurist Mesh: rows under `result` ----------------------------------------------------------------


def _tokens_found(market: Market, clock: WorldClock) -> Callable[[Mapping[str, str], Any], Any]:
    def make(_params: Mapping[str, str], asked: Any) -> Any:
        word, limit = _question(asked).lower(), int(asked.get("limit", 5))
        hour = clock.time() // HOUR * HOUR
        found = [one for one in market.catalogue.tokens if word in (one.symbol.lower(), one.name.lower())]
        return {
            "result": [
                {
                    "chain": ("base", "ethereum")[index % 2],
                    "address": "0x" + _digest(f"contract {token.token_id}")[:40],
                    "name": token.name,
                    "symbol": token.symbol,
                    "price_usd": round(figures.price(token, hour), 6),
                    "liquidity_usd": round(figures.volume(token, hour) / 10, 2),
                }
                for index, token in enumerate(found[:limit])
            ]
        }

    return make


# -- Firecrawl (version 1): rows under `data`; Tavily: under `results` --------------------------------


def _pages(question: str, count: int) -> list[dict[str, Any]]:
    mark = _digest(question)
    return [
        {
            "url": f"https://example.com/{mark[:8]}/{number}",
            "title": f"{question.title()}, part {number}",
            "text": f"What is known of {question}, as of page {number}.",
            "score": round(1.0 - number / 20.0, 3),
        }
        for number in range(1, min(count, 20) + 1)
    ]


def _pages_found(_params: Mapping[str, str], asked: Any) -> Any:
    pages = _pages(_question(asked), int(asked.get("limit", 5)))
    rows = [{"url": page["url"], "title": page["title"], "description": page["text"]} for page in pages]
    return {"success": True, "data": rows}


def _hits(_params: Mapping[str, str], asked: Any) -> Any:
    question = _question(asked)
    pages = _pages(question, int(asked.get("max_results", 5)))
    rows = [{"url": p["url"], "title": p["title"], "content": p["text"], "score": p["score"]} for p in pages]
    return {"query": question, "results": rows, "response_time": 0.5}


# -- CoinGecko: an object from coin to figures; Glassnode: a bare list of t, v -------------------------


def _prices(by_slug: Mapping[str, Token], clock: WorldClock) -> Callable[[Mapping[str, str], Any], Any]:
    def make(params: Mapping[str, str], _asked: Any) -> Any:
        ids = [one for one in params.get("ids", "").split(",") if one]
        if not ids:
            raise Asked(422, "Missing parameter ids")
        now = figures.floored(clock.time())
        found: dict[str, dict[str, Any]] = {}
        for token in (by_slug[one] for one in ids if one in by_slug):
            found[token.slug] = {"usd": round(figures.price(token, now), 6)}
            if params.get("include_market_cap") == "true":
                found[token.slug]["usd_market_cap"] = round(figures.market_cap(token, now), 2)
            if params.get("include_last_updated_at") == "true":
                found[token.slug]["last_updated_at"] = int(now)
        return found

    return make


def _closes(by_symbol: Mapping[str, Token], clock: WorldClock) -> Callable[[Mapping[str, str], Any], Any]:
    """Oldest first; `s` is the first second asked for, `u` the first one not."""

    def make(params: Mapping[str, str], _asked: Any) -> Any:
        token = by_symbol.get(params.get("a", "").upper())
        if token is None:
            raise Asked(404, "unknown asset")
        if params.get("i", "24h") != "24h":
            raise Asked(400, "unsupported interval")
        today = int(clock.time() // DAY)
        first = max(-(-int(params.get("s", HISTORY_START * DAY)) // DAY), token.listed)
        last = min(-(-int(params.get("u", (today + 1) * DAY)) // DAY) - 1, today)
        return [
            {"t": day * DAY, "v": round(figures.price(token, figures.moment(day, DAY, clock.time())), 6)}
            for day in range(first, last + 1)
        ]

    return make
