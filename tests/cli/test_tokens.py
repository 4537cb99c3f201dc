"""`tollbook tokens`, and --tokens with symbols that several tokens have."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import Command

if TYPE_CHECKING:
    from sandbox.world import Buyer, World


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


def test_an_id_of_the_policy_that_no_token_has_is_named_by_plan_and_doctor(
    tollbook: Command, world: World, tmp_path: Path
) -> None:
    """Such an id would be asked for, and paid with, day after day."""
    text = world.policy_path.read_text()
    policy = tmp_path / "policy.toml"
    policy.write_text(text.replace("tokens = [3375,", "tokens = [3375, 99999999,"))
    plan = tollbook("plan", "tm-grade", "--json", TOLLBOOK_POLICY=str(policy))
    assert plan.code == 0
    assert any("names 99999999, which the seller's catalogue does not list" in note for note in plan.document["notes"])
    doctor = tollbook("doctor", "--json", TOLLBOOK_POLICY=str(policy), PREFECT_API_URL=None)
    [check] = [each for each in doctor.document["checks"] if each["check"] == "tokens"]
    assert (doctor.code, check["ok"]) == (2, False)
    assert "99999999" in check["detail"]
    assert "tollbook tokens QUERY" in check["fix"]
    sound = tollbook("plan", "tm-grade", "--json")
    assert not any("catalogue" in note for note in sound.document["notes"])


def test_a_list_that_cant_be_reached_leaves_nothing_open(tollbook: Command, buyer: Buyer, tmp_path: Path) -> None:
    """Its pages cost nothing, and `status` would show each as open."""
    text = Path(buyer.env["TOLLBOOK_POLICY"]).read_text()
    policy = tmp_path / "policy.toml"
    policy.write_text(re.sub(r"127\.0\.0\.1:\d+/v2", "127.0.0.1:1/v2", text))
    said = tollbook("tokens", "btc", TOLLBOOK_POLICY=str(policy))
    assert said.code == 6
    assert tollbook("status", "--json").document["open"] == []


def test_tokens_needs_no_wallet_no_home_and_of_a_policy_only_the_seller(
    bare: Command, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A newcomer looks tokens up before anything is set up; nothing is left behind."""
    monkeypatch.chdir(tmp_path)
    seller = f'[sellers.tokenmetrics]\nbase_url = "{world.seller_url}"\npay_with = "USDC"\npay_to = "first-use"\n'
    (tmp_path / "policy.toml").write_text(seller)
    said = bare("tokens", "btc", "--json")
    assert said.code == 0, said.out
    assert said.document["tokens"][0]["rank"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["policy.toml"]
    assert bare("tokens", "no such token at all").code == 2


def test_a_symbol_is_looked_up_without_a_key(tollbook: Command) -> None:
    """`plan` needs none either; and nothing of another wallet comes into the ledger."""
    said = tollbook("plan", "tm-grade", "--tokens", "BTC", "--top", "--json", TOLLBOOK_PRIVATE_KEY=None)
    assert said.code == 0, said.out
    assert tollbook("status", "--json").document["delivered"] == 0
