"""Keys of a command: --tokens, --keys, and the policy's watch lists."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import Command
from tests.cli.test_bad_input import policy_with

if TYPE_CHECKING:
    from sandbox.world import Buyer, World


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("run", "--all", "--keys", "bitcoin"), "--keys with --all could be of any dataset"),
        (
            ("run", "coingecko-price", "tavily-search", "--keys", "bitcoin"),
            "--keys is of which: coin of coingecko, query of tavily?",
        ),
        (("run", "grades", "--keys", "1"), "--keys names nothing of tm-grade"),
        (("run", "coingecko-price", "--keys", "bitcoin,ethereum"), "write --keys bitcoin --keys ethereum"),
        (("run", "tavily-search", "--keys", " "), "--keys is empty"),
        (("run", "glassnode-price-close", "--tokens", "BTC"), "name its asset with --keys"),
        (("plan", "indices", "--tokens", "BTC"), "indices is not sold by token"),
        (
            ("backfill", "glassnode-price-close", "--from", "2026-01-01", "--tokens", "BTC"),
            "name its asset with --keys",
        ),
    ],
)
def test_keys_that_fit_nothing_or_several_things_are_refused_before_anybody_is_asked(
    tollbook: Command, world: World, arguments: tuple[str, ...], says: str
) -> None:
    said = tollbook(*arguments)
    assert said.code == 2
    assert says in said.err
    assert not world.seller.visits


def test_a_key_may_hold_a_comma_and_each_one_is_a_question_of_its_own(tollbook: Command, buyer: Buyer) -> None:
    questions = ("what is x402, in a word?", "who pays, and when?")
    named = [word for question in questions for word in ("--keys", question)]
    document = tollbook("run", "tavily-search", *named, "--json").document
    assert document["calls_paid"] == 2
    from warehouse.query import query

    assert {key for (key,) in query(buyer.home, "SELECT DISTINCT query FROM tavily_hits")[1]} == set(questions)


def test_what_is_sold_by_a_key_and_watched_by_nobody_is_said_to_be_left_out(
    tollbook: Command, buyer: Buyer, tmp_path: Path
) -> None:
    path = policy_with(buyer, tmp_path, 'watch = {"coingecko-price" = ["bitcoin", "ethereum"]}\n', "")
    document = tollbook("plan", "--all", "--json", TOLLBOOK_POLICY=path).document
    assert "coingecko-price" not in {flow["dataset"] for flow in document["flows"]}
    assert any("left out" in note and "coingecko-price" in note for note in document["notes"])
    said = tollbook("plan", "coingecko-price", TOLLBOOK_POLICY=path)
    assert said.code == 2
    assert 'watch = {"coingecko-price" = ["…"]}' in said.err


def test_a_watch_list_of_one_dataset_takes_the_place_of_the_sellers_tokens(
    tollbook: Command, buyer: Buyer, tmp_path: Path
) -> None:
    path = policy_with(buyer, tmp_path, "tokens = [", 'watch = {"quantmetrics" = [3306]}\ntokens = [')
    flows = tollbook("plan", "quantmetrics", "tm-grade", "--json", TOLLBOOK_POLICY=path).document["flows"]
    asked = {flow["dataset"]: flow["requests"][0]["params"]["token_id"] for flow in flows}
    assert asked == {"quantmetrics": "3306", "tm-grade": ",".join(sorted(asked["tm-grade"].split(",")))}
    assert len(asked["tm-grade"].split(",")) == 5


@pytest.mark.parametrize(
    ("watch", "says"),
    [
        ('{"coingecko-prices" = ["bitcoin"]}', "did you mean coingecko-price?"),
        ('{"coingecko-price" = "bitcoin"}', "sellers.coingecko.watch"),
        ('{"coingecko-price" = [" "]}', "sellers.coingecko.watch"),
        ('{"coingecko-price" = [1.5]}', "sellers.coingecko.watch"),
        ('{"coingecko-price" = ["bitcoin,ethereum"]}', 'write "bitcoin", "ethereum"'),
        ('["bitcoin"]', "write the keys by dataset"),
    ],
)
def test_a_watch_list_that_fits_nothing_is_an_error_that_names_it(
    tollbook: Command, buyer: Buyer, tmp_path: Path, watch: str, says: str
) -> None:
    old = 'watch = {"coingecko-price" = ' + json.dumps(["bitcoin", "ethereum"]) + "}"
    said = tollbook("plan", "grades", TOLLBOOK_POLICY=policy_with(buyer, tmp_path, old, f"watch = {watch}"))
    assert said.code == 2
    assert says in said.err
