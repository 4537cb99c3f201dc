"""Every declared seller but Token Metrics: five with answers of their own shape, any other as it is declared.

What a new declaration requests, pays, parses and loads can thus be seen before its seller is paid. It doesn't show that
the real seller answers in that shape: docs/sources.md reads a real answer for that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec

from sandbox.clock import WorldClock
from sandbox.market import tokens
from sandbox.market.listings import Unprocessable
from sandbox.market.market import Market
from sandbox.market.tokens import DAY, EPOCH_DAY, HISTORY_START, HOUR, MarketToken, stream, unit
from sandbox.seller.shop import Product, Serve
from sandbox.servers import Reply, reply
from sources import registry
from sources.model import EVERYTHING, Cast, Column, Dataset, Dates, Seller

_PATHS = {
    "heurist": "/heurist",
    "firecrawl": "/firecrawl",
    "coingecko": "/coingecko/api/v3",
    "glassnode": "/glassnode",
    "tavily": "/tavily",
}
_MESH = "/x402/agents/TokenResolverAgent"
HITS = 3
"""Rows per key and slot of a dataset with any number of rows, where key and time alone don't tell them apart."""

Row = dict[str, Any]
Answer = Callable[[Mapping[str, str], Any], Any]
"""From query parameters and JSON body to the JSON document that answers them."""


def base_paths() -> dict[str, str]:
    """Each seller's base path on the sandbox's seller port: those with answers of their own first."""
    return _PATHS | {seller.name: f"/{seller.name}" for seller in _as_declared()}


def products(market: Market, clock: WorldClock) -> list[Product]:
    declared = (product for seller in _as_declared() for product in declared_products(seller, clock))
    return [*_own_products(market, clock), *declared]


def _as_declared() -> list[Seller]:
    return [seller for seller in registry.sellers() if seller.name not in ("tokenmetrics", *_PATHS)]


def _serve(answer: Answer) -> Serve:
    def serve(params: Sequence[tuple[str, str]], body: bytes) -> Reply:
        try:
            document = msgspec.json.decode(body) if body else {}
            return reply(200, msgspec.json.encode(answer(dict(params), document)))
        except Unprocessable as problem:
            return reply(problem.status, msgspec.json.encode({"error": str(problem)}))
        except (msgspec.DecodeError, ValueError, TypeError, AttributeError):
            return reply(400, b'{"error":"bad request"}')

    return serve


def _own_products(market: Market, clock: WorldClock) -> list[Product]:
    by_symbol = {token.symbol: token for token in reversed(market.catalogue.tokens)}
    by_slug = {token.slug: token for token in market.catalogue.tokens}
    rows: tuple[tuple[str, str, str, int, int, Answer], ...] = (
        ("heurist", "POST", f"{_MESH}/token_search", 10_000, 2, partial(_tokens_found, market, clock)),
        ("firecrawl", "POST", "/v1/x402/search", 10_000, 1, _pages_found),
        ("coingecko", "GET", "/x402/simple/price", 10_000, 2, partial(_prices, by_slug, clock)),
        ("glassnode", "GET", "/v1/metrics/market/price_usd_close", 20_000, 2, partial(_closes, by_symbol, clock)),
        ("tavily", "POST", "/search", 10_000, 2, _hits),
    )
    return [
        Product(seller, f"{seller}{path}", method, _PATHS[seller] + path, price, _serve(answer), version)
        for seller, method, path, price, version, answer in rows
    ]


def _query(body: Any) -> str:
    query = body.get("query")
    if not isinstance(query, str) or not query.strip():
        raise Unprocessable("query is required", 400)
    return query.strip()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _tokens_found(market: Market, clock: WorldClock, _params: Mapping[str, str], body: Any) -> Any:
    """Heurist Mesh: rows under `result`."""
    word, limit = _query(body).lower(), int(body.get("limit", 5))
    hour = clock.time() // HOUR * HOUR
    matches = [token for token in market.catalogue.tokens if word in (token.symbol.lower(), token.name.lower())]
    return {
        "result": [
            {
                "chain": ("base", "ethereum")[index % 2],
                "address": "0x" + _digest(f"contract {token.token_id}")[:40],
                "name": token.name,
                "symbol": token.symbol,
                "price_usd": round(tokens.price(token, hour), 6),
                "liquidity_usd": round(tokens.volume(token, hour) / 10, 2),
            }
            for index, token in enumerate(matches[:limit])
        ]
    }


def _pages(query: str, count: int) -> list[dict[str, Any]]:
    mark = _digest(query)
    return [
        {
            "url": f"https://example.com/{mark[:8]}/{number}",
            "title": f"{query.title()}, part {number}",
            "text": f"What is known of {query}, as of page {number}.",
            "score": round(1.0 - number / 20.0, 3),
        }
        for number in range(1, min(count, 20) + 1)
    ]


def _pages_found(_params: Mapping[str, str], body: Any) -> Any:
    """Firecrawl: rows under `data`."""
    pages = _pages(_query(body), int(body.get("limit", 5)))
    rows = [{"url": p["url"], "title": p["title"], "description": p["text"]} for p in pages]
    return {"success": True, "data": rows}


def _hits(_params: Mapping[str, str], body: Any) -> Any:
    """Tavily: rows under `results`."""
    query = _query(body)
    pages = _pages(query, int(body.get("max_results", 5)))
    rows = [{"url": p["url"], "title": p["title"], "content": p["text"], "score": p["score"]} for p in pages]
    return {"query": query, "results": rows, "response_time": 0.5}


def _prices(by_slug: Mapping[str, MarketToken], clock: WorldClock, params: Mapping[str, str], _body: Any) -> Any:
    """CoinGecko: an object from coin to figures."""
    ids = [coin for coin in params.get("ids", "").split(",") if coin]
    if not ids:
        raise Unprocessable("Missing parameter ids")
    now = tokens.floored(clock.time())
    figures: dict[str, dict[str, Any]] = {}
    for token in (by_slug[coin] for coin in ids if coin in by_slug):
        figures[token.slug] = {"usd": round(tokens.price(token, now), 6)}
        if params.get("include_market_cap") == "true":
            figures[token.slug]["usd_market_cap"] = round(tokens.market_cap(token, now), 2)
        if params.get("include_last_updated_at") == "true":
            figures[token.slug]["last_updated_at"] = int(now)
    return figures


def _closes(by_symbol: Mapping[str, MarketToken], clock: WorldClock, params: Mapping[str, str], _body: Any) -> Any:
    """Glassnode: a bare list of t and v, oldest first; `s` is the first second requested, `u` the first that is not."""
    token = by_symbol.get(params.get("a", "").upper())
    if token is None:
        raise Unprocessable("unknown asset", 404)
    if params.get("i", "24h") != "24h":
        raise Unprocessable("unsupported interval", 400)
    today = int(clock.time() // DAY)
    first = max(-(-int(params.get("s", HISTORY_START * DAY)) // DAY), token.listed)
    last = min(-(-int(params.get("u", (today + 1) * DAY)) // DAY) - 1, today)
    return [
        {"t": day * DAY, "v": round(tokens.price(token, tokens.moment(day, DAY, clock.time())), 6)}
        for day in range(first, last + 1)
    ]


def declared_products(seller: Seller, clock: WorldClock) -> list[Product]:
    """The seller's datasets under /NAME, each at half of the highest price that its declaration allows."""
    return [
        Product(
            seller.name,
            f"{seller.name}{dataset.path}",
            dataset.method,
            f"/{seller.name}{dataset.path}",
            0 if dataset.free else int(Decimal(dataset.max_price) * 10**6) // 2,
            partial(_declared_answer, dataset, clock),
        )
        for dataset in seller.datasets
    ]


def _declared_answer(dataset: Dataset, clock: WorldClock, params: Sequence[tuple[str, str]], body: bytes) -> Reply:
    try:
        fields = dict(params) if dataset.body is None else msgspec.json.decode(body or b"{}")
        document = _document(dataset, _page(dataset, fields, int(clock.time())))
    except (Unprocessable, KeyError, ValueError, TypeError, AttributeError, msgspec.DecodeError) as problem:
        return reply(422, msgspec.json.encode({"error": str(problem)}))
    return reply(200, msgspec.json.encode(document))


def _document(dataset: Dataset, rows: list[Row]) -> Any:
    document: Any = {row[dataset.keyed_rows]: row for row in rows} if dataset.keyed_rows else rows
    for name in reversed(dataset.rows_path):
        document = {name: document}
    return {**dataset.success, **document} if isinstance(document, dict) else document


def _page(dataset: Dataset, fields: Mapping[str, Any], now: int) -> list[Row]:
    """One page of the requested rows, newest first."""
    rows = list(_rows(dataset, _keys(dataset, fields), _slots(dataset, fields, now)))
    if dataset.paging is None:
        return rows
    limit = int(fields.get(dataset.paging.limit_param, dataset.paging.rows))
    if not 1 <= limit <= dataset.paging.rows:
        raise Unprocessable(f"{dataset.paging.limit_param} is 1 to {dataset.paging.rows}")
    start = (int(fields.get(dataset.paging.page_param, dataset.paging.first)) - dataset.paging.first) * limit
    return rows[start : start + limit]


def _keys(dataset: Dataset, fields: Mapping[str, Any]) -> list[str]:
    packing = dataset.packing
    if packing is None:
        return [EVERYTHING]
    value = fields.get(packing.param) or ""
    if isinstance(value, str):
        keys = value.split(packing.separator) if packing.ids > 1 and packing.separator else [value]
    else:
        keys = [str(key) for key in value]
    if not 1 <= len(keys) <= packing.ids or not all(keys):
        raise Unprocessable(f"{packing.param} takes 1 to {packing.ids}")
    return keys


def _slots(dataset: Dataset, fields: Mapping[str, Any], now: int) -> range:
    """The requested slots that have begun; the current slot where requests carry no dates."""
    current, window = now // dataset.grain, dataset.window
    if window is None:
        return range(current, current + 1)
    unix = window.dates is Dates.UNIX
    start = int(fields[window.start_param]) if unix else _day(fields[window.start_param]) * DAY
    end = int(fields[window.end_param]) if unix else (_day(fields[window.end_param]) + 1) * DAY
    if not 0 < end - start <= window.days * DAY:
        raise Unprocessable(f"{window.start_param} and {window.end_param} span 1 to {window.days} days")
    return range(start // dataset.grain, min((end - 1) // dataset.grain, current) + 1)


def _day(text: str) -> int:
    return date.fromisoformat(text).toordinal() - EPOCH_DAY


def _rows(dataset: Dataset, keys: Sequence[str], slots: range) -> Iterator[Row]:
    columns = [column for column in dataset.columns if column.names and not column.from_request]
    one_per_key = set(dataset.natural_key) <= {dataset.time_column, dataset.key_column}
    for slot in reversed(slots):
        for key in keys:
            for number in range(dataset.rows_per_cell or (1 if one_per_key else HITS)):
                yield {column.names[0]: _value(dataset, column, key, slot, number) for column in columns}


def _value(dataset: Dataset, column: Column, key: str, slot: int, number: int) -> Any:
    """The key or the date in their columns, else a seeded value of the column's type."""
    if column.name == dataset.key_column:
        return key
    when = datetime.fromtimestamp(slot * dataset.grain, UTC)
    share = unit(stream(len(key), dataset.name, column.name, key), slot + number)
    values: dict[Cast, Any] = {
        Cast.DATE: f"{when:%Y-%m-%d}",
        Cast.TIMESTAMP: f"{when:%Y-%m-%dT%H:%M:%S.000Z}",
        Cast.INTEGER: int(share * 1000) * 1000 + number,  # no two rows of a cell alike: it may be their key
        Cast.FLOAT: round(share * 100, 2),
        Cast.BOOLEAN: share < 0.5,
        Cast.JSON: [{"part": number}],
        Cast.TEXT: f"{column.name} {number + 1} of {key}",
    }
    return values[column.cast]
