"""The other sellers: each declared in about thirty lines, with its own parameters and its own answers."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from sources import registry
from sources.model import Dataset
from sources.parse.rows import parse
from sources.planner.held import NOTHING_HELD
from sources.planner.pieces import Piece
from sources.planner.plan import plan
from sources.slots import slot
from tests.paths import ROOT
from tests.sources.buyer import AT

SELLERS = ROOT / "sources" / "sellers"


def ask(name: str, *keys: str, days: int = 1) -> tuple[Dataset, tuple[Piece, ...]]:
    dataset = registry.dataset(name)
    here = slot(dataset, AT)
    return dataset, plan(dataset, keys, here - days + 1, here, NOTHING_HELD, AT, AT).pieces


def answer(name: str, piece: Piece, document: Any) -> list[dict[str, Any]]:
    body = json.dumps(document).encode()
    parsed = parse(registry.dataset(name), piece.context(), AT, 200, "application/json", body)
    assert (parsed.envelope, parsed.quarantined) == ("ok", ())
    return parsed.table.to_pylist()


def test_coingecko_answers_an_object_from_coin_to_figures() -> None:
    dataset, (piece,) = ask("coingecko-price", "ethereum", "bitcoin")
    assert (piece.method, piece.path) == ("GET", "/x402/simple/price")
    assert dict(piece.params)["ids"] == "bitcoin,ethereum"
    rows = answer(dataset.name, piece, {"bitcoin": {"usd": 98210.5, "last_updated_at": 1795338000}, "ethereum": {}})
    assert [(row["coin"], row["price_usd"]) for row in rows] == [("bitcoin", 98210.5), ("ethereum", None)]
    assert rows[0]["updated_at"] == datetime(2026, 11, 22, 9, tzinfo=UTC)
    assert rows[0]["as_of"] == datetime(2026, 11, 22, 9, tzinfo=UTC)


def test_glassnode_answers_a_bare_list_that_leaves_the_asset_out() -> None:
    dataset, pieces = ask("glassnode-price-close", "BTC", "ETH", days=400)
    assert len(pieces) == 4
    piece = pieces[0]
    params = dict(piece.params)
    assert (params["a"], params["i"]) == ("BTC", "24h")
    assert int(params["u"]) - int(params["s"]) == (piece.last - piece.first + 1) * 86400
    day, first = date(1970, 1, 1) + timedelta(days=piece.first), piece.first * 86400
    rows = answer(dataset.name, piece, [{"t": first, "v": 79.5}, {"t": first + 86400, "v": None}])
    assert rows == [
        {"asset": "BTC", "date": day, "price_usd": 79.5, "extras": None},
        {"asset": "BTC", "date": day + timedelta(days=1), "price_usd": None, "extras": None},
    ]


@pytest.mark.parametrize(
    ("name", "path", "fixed", "shape"),
    [
        ("firecrawl-search", "/v1/x402/search", {"limit": 10}, lambda hits: {"success": True, "data": hits}),
        ("tavily-search", "/search", {"max_results": 10, "search_depth": "basic"}, lambda hits: {"results": hits}),
        ("tavily-search", "/search", {"max_results": 10, "search_depth": "basic"}, lambda hits: hits),
    ],
    ids=["under data", "under results", "a bare list"],
)
def test_a_search_is_a_post_whose_hits_belong_to_its_question(
    name: str, path: str, fixed: dict[str, Any], shape: Any
) -> None:
    dataset, pieces = ask(name, "what is x402?", "bitcoin, and why")
    assert [json.loads(piece.body) for piece in pieces] == [
        {**fixed, "query": "bitcoin, and why"},
        {**fixed, "query": "what is x402?"},
    ]
    assert {(piece.method, piece.path, piece.params) for piece in pieces} == {("POST", path, ())}
    hit = {"url": "https://example.com/a", "title": "A", "description": "d", "content": "c", "score": 0.9}
    rows = answer(dataset.name, pieces[1], shape([hit]))
    assert [(row["query"], row["url"], row["as_of"]) for row in rows] == [
        ("what is x402?", "https://example.com/a", date(2026, 11, 22))
    ]


def test_heurist_answers_under_result() -> None:
    dataset, (piece,) = ask("heurist-token-search", "PEPE")
    assert json.loads(piece.body) == {"limit": 10, "query": "PEPE"}
    rows = answer(dataset.name, piece, {"result": [{"chain": "base", "address": "0xabc", "price_usd": "0.01", "x": 1}]})
    assert [(row["query"], row["address"], row["price_usd"], row["extras"]) for row in rows] == [
        ("PEPE", "0xabc", 0.01, '{"x":1}')
    ]


def test_a_body_is_the_same_bytes_whenever_it_is_written() -> None:
    _, (piece,) = ask("tavily-search", "x402")
    assert piece.body == b'{"max_results":10,"query":"x402","search_depth":"basic"}'


@pytest.mark.parametrize("name", ["coingecko", "firecrawl", "glassnode", "heurist", "tavily"])
def test_a_seller_takes_some_forty_lines_with_the_units_of_its_columns(name: str) -> None:
    lines = [line for line in (SELLERS / f"{name}.toml").read_text().splitlines() if line.strip()]
    assert len(lines) <= 45
