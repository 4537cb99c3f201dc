"""`tollbook run --all`: everything declared, of every seller, paid over HTTP in the paid world, and again for $0."""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from payer.values.money import parse_decimal
from sources import registry
from tests.cli.conftest import Command
from tests.payer.onchain import payments
from tollbook.cli.main import run
from warehouse.cache.tables import declared_tables
from warehouse.query import query

if TYPE_CHECKING:
    from sandbox.seller.seller import Visit
    from sandbox.world import Buyer, World


@dataclass(frozen=True)
class Everything:
    """One buyer who ran everything twice: both documents, what the sellers saw of the first run, and the chain."""

    buyer: Buyer
    first: Any
    again: Any
    visits: list[Visit]
    transfers: list[int]

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return query(self.buyer.home, sql)[1]


@pytest.fixture(scope="module")
def everything(session_world: World) -> Iterator[Everything]:
    session_world.reset()
    buyer = session_world.buyer("everything")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("TOLLBOOK_")]:
            patch.delenv(name)
        for name, value in buyer.env.items():
            patch.setenv(name, value)
        first = _document("run", "--all")
        visits = list(session_world.seller.visits)
        again = _document("run", "--all")
        transfers = [one.value for one in payments(session_world, buyer.address)]
        yield Everything(buyer, first, again, visits, transfers)


def _document(*arguments: str) -> Any:
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert run([*arguments, "--json"]) == 0, out.getvalue()
    return json.loads(out.getvalue())


def test_every_declared_dataset_of_every_seller_is_bought(everything: Everything) -> None:
    """I5: and the chain says the same sum."""
    assert {flow["flow"] for flow in everything.first["flows"]} == {dataset.name for dataset in registry.datasets()}
    assert everything.first["failed"] == []
    assert len(everything.transfers) == everything.first["calls_paid"]
    assert sum(everything.transfers) == parse_decimal(everything.first["amount"], 6)


@pytest.mark.parametrize("table", declared_tables())
def test_each_table_has_rows_that_can_be_queried_with_what_they_cost(everything: Everything, table: str) -> None:
    own = declared_tables()[table]
    columns = ", ".join(f'"{column.name}"' for column in own.columns)
    rows = everything.rows(f"SELECT {columns} FROM {table}")
    assert rows
    [(bought,)] = everything.rows(f"SELECT count(*) FROM {table} JOIN costs USING (purchase_id)")
    assert bought == len(rows)


@pytest.mark.parametrize(
    ("view", "columns"),
    [
        ("resistance_support_levels", "level, level_date"),
        ("correlation_pairs", "with_token, correlation"),
        ("price_scenarios", "scenario, price_bear, price_base, price_moon, predicted_date"),
        ("scenario_values", "scenario, value"),
    ],
)
def test_what_the_seller_nests_can_be_queried_row_by_row(everything: Everything, view: str, columns: str) -> None:
    rows = everything.rows(f"SELECT token_id, number, {columns} FROM {view}")
    assert len(rows) > len({token for token, *_ in rows}) > 1
    assert all(value is not None for row in rows for value in row)


def test_everything_again_pays_nothing_and_says_what_the_cache_saved(everything: Everything) -> None:
    again = everything.again
    assert (again["calls_paid"], again["amount"], again["rows_new"], again["failed"]) == (0, "0", 0, [])
    assert again["calls_avoided"] >= everything.first["calls_paid"]


OTHERS = {
    "coingecko-price": ("GET", "coin", {"bitcoin", "ethereum"}),
    "firecrawl-search": ("POST", "query", {"what is x402, and who sells by it?"}),
    "glassnode-price-close": ("GET", "asset", {"BTC", "ETH"}),
    "heurist-token-search": ("POST", "query", {"BTC", "ETH"}),
    "tavily-search": ("POST", "query", {"tokens that moved today, and why"}),
}


@pytest.mark.parametrize("name", OTHERS)
def test_another_seller_is_paid_over_http_for_the_keys_that_policy_watches(everything: Everything, name: str) -> None:
    """A key may hold a comma. One unpaid request for terms, then one paid call per request."""
    method, column, keys = OTHERS[name]
    dataset = registry.dataset(name)
    assert {key for (key,) in everything.rows(f"SELECT DISTINCT {column} FROM {dataset.table}")} == keys
    seen = [visit for visit in everything.visits if visit.path.endswith(dataset.path) and dataset.seller in visit.path]
    paid = [visit for visit in seen if visit.leg == "paid"]
    assert {(visit.method, visit.status) for visit in paid} == {(method, 200)}
    costs = everything.rows(f"SELECT money, data, tx_hash FROM costs WHERE dataset = '{name}'")
    assert [(money, data, bool(tx_hash)) for money, data, tx_hash in costs] == [("spent", "delivered", True)] * len(
        paid
    )


def test_an_index_that_is_not_listed_is_answered_with_those_like_it(everything: Everything, bare: Command) -> None:
    said = bare("plan", "indices-holdings", "--keys", "TMX3", **everything.buyer.env)
    assert said.code == 2
    assert "no index_id is called 'TMX3' among 12 known" in said.err
    assert "did you mean 3 (TM Index 3, TMX3)" in said.err


def test_indices_named_one_by_one_are_all_that_is_asked_for(everything: Everything, bare: Command) -> None:
    said = bare("plan", "index_performance", "--keys", "3", "--keys", "5", "--json", **everything.buyer.env)
    assert said.document["flows"][0]["saved"]["calls"] == 2
