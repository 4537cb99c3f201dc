"""`tollbook tokens`, and --tokens with symbols that several tokens have."""

from __future__ import annotations

from tests.cli.conftest import Command


def test_tokens_lists_what_fits_the_largest_first_for_nothing(tollbook: Command) -> None:
    said = tollbook("tokens", "btc", "--json")
    assert said.code == 0
    found = said.document["tokens"]
    assert found[0]["token_id"] == 3375
    assert found[0]["rank"] == 1
    assert all("btc" in f"{token['symbol']} {token['name']}".lower() for token in found)
    ranks = [token["rank"] for token in found]
    assert ranks == sorted(ranks, key=lambda rank: rank or 10**9)


def test_tokens_says_when_nothing_fits(tollbook: Command) -> None:
    said = tollbook("tokens", "no such token at all")
    assert said.code == 2
    assert "no token" in said.out


def test_an_ambiguous_symbol_is_refused_with_ranks_and_taken_by_market_cap_when_asked(tollbook: Command) -> None:
    refused = tollbook("plan", "grades", "--tokens", "BTC")
    assert refused.code == 2
    assert "3375 Bitcoin (rank 1" in refused.err
    assert "--top" in refused.err
    taken = tollbook("plan", "grades", "--tokens", "BTC", "--top", "--json")
    by_id = tollbook("plan", "grades", "--tokens", "3375", "--json")
    assert taken.code == 0
    assert taken.document == by_id.document


def test_each_tokens_option_counts(tollbook: Command) -> None:
    several = tollbook("plan", "grades", "--tokens", "3375", "--tokens", "3306", "--json")
    listed = tollbook("plan", "grades", "--tokens", "3375,3306", "--json")
    assert several.code == 0
    assert several.document == listed.document
