"""The policy that init writes is the shipped one with the choices in it; a policy that is there keeps all else."""

from __future__ import annotations

import tomllib

import pytest

from payer.policy.file import parse_policy
from tasks.setup.policy_text import BASE, BASE_SEPOLIA, NETWORKS, Listed, drafted, of_policy, of_world
from tests.paths import ROOT

SHIPPED = (ROOT / "policy.toml").read_text()
BTC, ETH = Listed(3375, "BTC", "Bitcoin", 1), Listed(3306, "ETH", "Ethereum", 2)


def draft(text: str = SHIPPED, **changes: object) -> str:
    return drafted(text, **{"network": None, "caps": {}, "tokens": None, **changes})  # type: ignore[arg-type]


def test_without_a_choice_the_file_stays_as_it_is_to_the_letter() -> None:
    assert draft() == SHIPPED
    assert draft(network=BASE, caps={"per_call": "0.10"}, tokens=[BTC, ETH]) == SHIPPED


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_each_network_makes_a_policy_that_is_read_with_the_right_token(network: object) -> None:
    policy = parse_policy(draft(network=network, tokens=[BTC]))
    assert of_policy(tomllib.loads(draft(network=network))) == network
    assert {(BASE_SEPOLIA.chain_id, "USDC"), (BASE.chain_id, "USD Coin")} >= {
        (policy.chain_id, policy.assets["USDC"].eip712_name)
    }


def test_comments_of_the_shipped_file_stay_and_tokens_have_their_names() -> None:
    text = draft(network=BASE_SEPOLIA, tokens=[BTC, ETH, Listed(7)])
    for line in SHIPPED.splitlines():
        assert line.partition("#")[2] in text
    assert "3375, # BTC Bitcoin\n" in text
    assert tomllib.loads(text)["sellers"]["tokenmetrics"]["tokens"] == [3375, 3306, 7]


def test_a_second_draft_of_the_same_choices_changes_nothing() -> None:
    chosen = {"network": BASE_SEPOLIA, "caps": {"per_day": "1.00"}, "tokens": [BTC, ETH]}
    first = draft(**chosen)
    assert draft(first, **chosen) == first
    assert draft(first, **{**chosen, "tokens": [Listed(3375), Listed(3306)]}) == first


def test_a_policy_that_is_there_keeps_its_authors_own_lines() -> None:
    own = SHIPPED.replace('rpc_url = "https://mainnet.base.org"', 'rpc_url = "https://rpc.example/key"  # ours')
    own += "parallel = 3  # ours, too\n"
    changed = draft(own, caps={"per_day": "4.00"})
    assert changed == own.replace('per_day = "5.00"', 'per_day = "4.00"')


def test_servers_of_another_chain_go_with_it() -> None:
    own = SHIPPED.replace('rpc_url = "https', 'rpc_urls = ["https://a.example", "https://b.example"]\nrpc_url = "https')
    assert "rpc_urls" in draft(own, network=BASE)
    assert "rpc_urls" not in draft(own, network=BASE_SEPOLIA)


def test_a_sellers_strange_name_for_a_token_stays_in_its_comment() -> None:
    text = draft(tokens=[Listed(7, "X\n", 'evil\n[caps.USDC]\nper_day = "999"\u2028\x00' + "y" * 500)])
    assert tomllib.loads(text)["caps"]["USDC"]["per_day"] == "5.00"
    assert max(map(len, text.splitlines())) < 130


def test_a_worlds_policy_gives_chain_token_and_seller() -> None:
    policy = tomllib.loads(SHIPPED)
    policy["network"] |= {"chain_id": 31337, "v1_name": "sandbox", "rpc_url": "http://127.0.0.1:1"}
    network = of_world(policy)
    drafted_policy = tomllib.loads(draft(network=network))
    assert (drafted_policy["network"]["chain_id"], of_policy(drafted_policy)) == (31337, None)
