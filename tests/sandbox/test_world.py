"""The world as a whole: it starts, it sells, it stops, and the same home continues the same chain."""

from __future__ import annotations

import tomllib
from pathlib import Path

import httpx
import pytest

from tests.worlds import WorldProcess
from tollbook.sandbox.world import HomeInUse, World

X402 = {"x-coinbase-402": "true"}


def test_a_started_world_serves_terms_and_writes_a_policy_that_matches_them(world: World) -> None:
    policy = tomllib.loads(world.policy_path.read_text())
    answer = httpx.get(f"{world.seller_url}/trading-signals", headers=X402)
    assert answer.status_code == 402
    assert policy["network"]["chain_id"] == 31337
    assert policy["sellers"]["tokenmetrics"]["base_url"] == world.seller_url
    assert policy["assets"]["USDC"]["address"] == world.asset["address"]


def test_a_second_world_on_the_same_home_is_refused(world: World) -> None:
    with pytest.raises(HomeInUse, match="another sandbox serves"):
        World(world.home).start()


def test_a_killed_world_continues_its_chain_on_the_same_addresses(tmp_path: Path) -> None:
    first = WorldProcess(tmp_path)
    first.start()
    buyer = first.control("/buyer", name="kept")
    before, block = first.control("/state"), first.rpc("eth_getBlockByNumber", "0x4", False)
    first.kill()
    with WorldProcess(tmp_path) as second:
        assert second.urls == first.urls
        assert second.rpc("eth_getBlockByNumber", "0x4", False) == block
        after = second.control("/state")
        assert after["balance"] == before["balance"]
        assert after["head"] >= before["head"]
        assert second.control("/buyer", name="kept") == buyer
        assert second.stop() == 0
