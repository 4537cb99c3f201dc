"""The world as a whole: it starts, it sells, it stops, and the same home continues the same chain."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import httpx
import pytest

from sandbox.world import HomeInUse, World
from tests.worlds import WorldProcess

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


def test_a_stopped_world_starts_again_with_its_chain_clock_and_addresses(tmp_path: Path) -> None:
    world = World(tmp_path)
    with world:
        world.clock.advance(1000)
        world.mine(2)
        urls, head = (world.seller_url, world.rpc_url), world.rpc.call("eth_blockNumber", [])
        offset, asset = world.clock.offset, world.asset
    with world:
        assert (world.seller_url, world.rpc_url) == urls
        assert (world.clock.offset, world.asset) == (offset, asset)
        assert int(world.rpc.call("eth_blockNumber", []), 16) >= int(head, 16)


def test_a_start_killed_before_it_was_told_of_begins_again(tmp_path: Path) -> None:
    with World(tmp_path) as world:
        address = world.token.address
    notes = tmp_path / "sandbox" / "world.json"
    kept = json.loads(notes.read_text())
    del kept["addresses"]
    notes.write_text(json.dumps(kept))
    with World(tmp_path) as again:
        assert again.token.address == address
        assert again.balance() == 1000 * 10**6


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
