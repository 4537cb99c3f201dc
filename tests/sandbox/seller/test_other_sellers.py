"""Any declared seller in the sandbox: it takes the planner's requests, and its answers can be parsed."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from sandbox.clock import WorldClock
from sandbox.seller.other_sellers import declared_products
from sources import registry
from sources.model import DAY
from sources.parse.rows import parse
from sources.planner.held import NOTHING_HELD
from sources.planner.plan import plan
from sources.slots import slot


@pytest.mark.parametrize("name", [dataset.name for dataset in registry.datasets()])
def test_whatever_is_declared_is_sold_in_the_declared_shape(name: str) -> None:
    """Every dataset there is, for two keys and three slots: no row is quarantined, and each cell has its row."""
    dataset, now = registry.dataset(name), datetime.now(UTC)
    seller, here = registry.seller(dataset.seller), slot(dataset, now)
    first = here - 2 if dataset.window else here
    keys = ("1", "2") if dataset.key_column else ("*",)
    pieces = plan(dataset, keys, first, here, NOTHING_HELD, now, now).pieces
    products = {product.path: product for product in declared_products(seller, WorldClock())}
    rows = 0
    for piece in pieces:
        answer = products[f"/{seller.name}{dataset.path}"].serve(piece.params, piece.body)
        parsed = parse(dataset, piece.context(), now, answer.status, "application/json", answer.body)
        assert (parsed.envelope, parsed.quarantined) == ("ok", ())
        rows += parsed.table.num_rows
    if dataset.rows_per_cell and dataset.grain == DAY:
        assert rows == len(keys) * (here - first + 1) * dataset.rows_per_cell
    assert rows


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"a": ""}, "a takes 1 to 1"),
        ({"a": "BTC", "s": "0", "u": "86400000"}, "span 1 to 365 days"),
        ({"a": "BTC", "s": "yesterday", "u": "86400"}, "invalid literal"),
    ],
)
def test_a_request_that_the_declaration_does_not_allow_is_not_served(params: dict[str, str], says: str) -> None:
    [product] = declared_products(registry.seller("glassnode"), WorldClock())
    answer = product.serve(list(params.items()), b"")
    assert answer.status == 422
    assert says in json.loads(answer.body)["error"]
